/** Panels about policies, and what they delete. */
import type { Row } from "./panel";
import { increases, measured, of, quantiles } from "./queries";

export const POLICIES: Row = {
  title: "Policies",
  panels: [
    {
      title: "What was due, by outcome",
      description:
        "started: a Checkpoint was requested. covered: another Checkpoint was recent enough. filtered: the pod no longer matched. backoff: its last Checkpoints failed. missed: it could not start before the deadline.",
      queries: [increases("cedana_policy_actions_total", ["outcome"])],
    },
    {
      title: "What was started, by trigger",
      description: "Checkpoints and runs that policies started.",
      queries: [increases("cedana_policy_actions_total", ["trigger"], 'outcome="started"')],
    },
    {
      title: "Delay of the start",
      description:
        "From when a pod was due to the request of its Checkpoint, by trigger. It grows while limits are reached.",
      unit: "s",
      queries: quantiles("cedana_policy_start_delay_seconds", ["trigger"]),
    },
    {
      title: "In flight and waiting",
      description: "Checkpoints of policies that have not ended, and pods that are due and wait for a limit.",
      queries: [
        measured("cedana_policy_checkpoints_in_flight", [], "in flight"),
        measured("cedana_policy_actions_waiting", [], "waiting"),
      ],
    },
    {
      title: "Policies",
      description:
        "Number of CheckpointPolicies and ClusterCheckpointPolicies that the leader evaluates, and of those that are Failed, by reason.",
      queries: [
        measured("cedana_policies", [], "policies"),
        measured("cedana_policies_failed", ["reason"], "{{reason}}"),
      ],
    },
    {
      title: "Evictions and suspensions after a Checkpoint",
      description: "What was due once a Checkpoint of a policy was completed, by action and outcome.",
      queries: [increases("cedana_policy_follow_ups_total", ["action", "outcome"])],
    },
    {
      title: "Requests of the trigger webhook",
      description: "By result, and restarts of the process that serves it.",
      queries: [
        increases("cedana_policy_webhook_requests_total", ["result"]),
        { ...increases("cedana_policy_webhook_restarts_total", []), legend: "restarts" },
      ],
    },
    {
      title: "Verifications",
      description: "Ended verifications of Checkpoints by outcome, and sandbox pods that exist.",
      queries: [
        increases("cedana_verifications_total", ["outcome"]),
        measured("cedana_sandbox_pods", [], "sandbox pods"),
      ],
    },
    {
      title: "Notifications",
      description: "Ended notifications by destination and outcome, attempts by result, and those that wait.",
      queries: [
        increases("cedana_notifications_total", ["destination", "outcome"]),
        increases("cedana_notification_attempts_total", ["destination", "result"]),
        measured("cedana_notifications_waiting", ["destination"], "{{destination}} waiting"),
      ],
    },
    {
      title: "Policies of Cedana's platform",
      description:
        "Policies that the platform executes, by the state of their copies. Only mirrored is healthy.",
      queries: [measured("cedana_platform_policies", ["state"])],
    },
    {
      title: "Requests to Cedana's platform",
      description: "About copies of policies, by operation and outcome.",
      queries: [increases("cedana_platform_requests_total", ["operation", "outcome"])],
    },
  ],
};

export const RETENTION: Row = {
  title: "Retention and artifacts",
  panels: [
    {
      title: "Checkpoints that retention deleted",
      description: "By the limit that they exceeded.",
      queries: [increases("cedana_policy_checkpoints_deleted_total", ["reason"])],
    },
    {
      title: "Checkpoints that retention keeps",
      description: "By reason, as of the last status of the policies with the action deleteCheckpoints.",
      queries: [measured("cedana_policy_checkpoints_kept", ["reason"])],
    },
    {
      title: "Deletions of artifacts",
      description:
        "Artifacts of deleted Checkpoints in the registry. gaveUp: the Checkpoint was released without the deletion.",
      queries: [increases("cedana_artifact_deletions_total", ["result", "reason"])],
    },
    {
      title: "Deletions that wait",
      description: "Deleted Checkpoints that wait for the deletion of their artifact.",
      queries: [measured("cedana_artifact_deletions_waiting", [], "waiting")],
    },
    {
      title: "Longest wait of a deletion",
      description: "The registry rejects the deletion, or cannot be reached.",
      unit: "s",
      queries: [measured("cedana_artifact_deletions_oldest_waiting_seconds", [], "oldest")],
    },
    {
      title: "Sweep of the repository",
      description:
        "Artifacts without a Checkpoint that exist and that were deleted, and Checkpoints whose artifact was found missing.",
      queries: [
        measured("cedana_artifact_orphans", [], "orphans"),
        { ...increases("cedana_artifact_orphans_deleted_total", []), legend: "orphans deleted" },
        { ...increases("cedana_artifacts_missing_total", []), legend: "artifacts missing" },
      ],
    },
    {
      title: "Time since the last sweep",
      description: "Empty if no sweep was completed, or the install does not delete artifacts.",
      unit: "s",
      queries: [
        {
          // 0: no sweep was completed.
          expr: `time() - (max(${of("cedana_artifact_sweep_last_success_timestamp_seconds")}) > 0)`,
          legend: "since the last sweep",
        },
      ],
    },
  ],
};
