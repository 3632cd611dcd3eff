import { conditions, type CheckpointConditionType, type ToolConditionType } from "./conditions";
import { AGE_COLUMN, AUTOMATION_GROUP, defineKind, READY_COLUMNS, type Column } from "./kind";
import { action } from "./policy-action";
import { executor, executorRules, platformCopy } from "./policy-executor";
import { clusterFilter, filter, type PodFilter } from "./policy-filter";
import { notifyRules } from "./policy-notify";
import { retention } from "./policy-retention";
import { trigger } from "./policy-trigger";
import { policyLastVerified } from "./policy-verify";
import { firings } from "./policy-webhook";
import {
  count,
  DAY_SECONDS,
  flag,
  integer,
  list,
  MONTH_SECONDS,
  object,
  optional,
  text,
  time,
  type Fields,
  type Infer,
  type Optional,
  type ValidationRule,
} from "./schema";

/** Maximum number of failures in the status. The newest are kept. */
export const MAX_FAILURES = 10;

/** Filters by what a Checkpoint records of its pod. */
const RECORDED_FILTERS = "filter.owners, or namespaces in a ClusterCheckpointPolicy";
/** The other ones. */
const UNRECORDED_FILTERS = ["pods", "containers", "minRunningSeconds", "restarts", "phases", "expression"];

const rules: ValidationRule[] = [
  {
    rule: "!has(self.trigger.heartbeat) || !has(self.trigger.heartbeat.intervalSeconds) || self.minSpacingSeconds <= self.trigger.heartbeat.intervalSeconds",
    message: "minSpacingSeconds must not exceed intervalSeconds, or checkpoints would be skipped",
  },
  {
    rule: "!has(self.filter) || !has(self.filter.minRunningSeconds) || !has(self.filter.phases) || !('Pending' in self.filter.phases)",
    message: "filter.minRunningSeconds selects no pod in the phase Pending",
  },
  {
    rule: "!has(self.action.deleteCheckpoints) || has(self.trigger.heartbeat)",
    message: "deleteCheckpoints needs the trigger heartbeat: the others are due for a pod",
  },
  ...UNRECORDED_FILTERS.map((name) => ({
    rule: `!has(self.action.deleteCheckpoints) || !has(self.filter) || !has(self.filter.${name})`,
    message: `filter.${name} selects no Checkpoints: they do not record it of their pods. With deleteCheckpoints, use ${RECORDED_FILTERS}, or action.deleteCheckpoints.policies`,
  })),
  {
    rule: "!(has(self.trigger.startup) || has(self.trigger.memory)) || !has(self.filter) || !has(self.filter.phases) || 'Running' in self.filter.phases",
    message:
      "never due: a pod in the phase Pending is not Ready and has no readings; add Running to filter.phases, or remove phases",
  },
  {
    rule: "!has(self.trigger.startup) || !has(self.filter) || !has(self.filter.minRunningSeconds) || self.filter.minRunningSeconds <= self.trigger.startup.readySeconds",
    message:
      "filter.minRunningSeconds must not exceed trigger.startup.readySeconds: a pod is due only once, when it has been Ready for readySeconds, and may not have been running for minRunningSeconds then",
  },
  // Rules that only test the presence of fields cost the API server next to nothing.
  {
    rule: "!has(self.trigger.startup) || has(self.action.checkpoint)",
    message:
      "the trigger startup is only for the action checkpoint: it is due once for a revision, whose Checkpoint is the memory of that",
  },
  {
    rule: "!has(self.trigger.memory) || !(has(self.action.suspend) || has(self.action.resume))",
    message:
      "the trigger memory is not for suspend and resume: it is due for one pod, and they need all pods of a workload, or none",
  },
  ...notifyRules,
  {
    rule: "!has(self.action.suspend) || !has(self.filter) || !has(self.filter.owners) || self.filter.owners.all(owner, owner.kind in ['Deployment', 'StatefulSet', 'ReplicaSet', 'Job'])",
    message: "suspend supports only the owners Deployment, StatefulSet, ReplicaSet and Job",
  },
  ...["minRunningSeconds", "restarts", "phases"].map((name) => ({
    rule: `!has(self.action.resume) || !has(self.filter) || !has(self.filter.${name})`,
    message: `filter.${name} has no effect with resume: a suspended workload has no pods`,
  })),
];

function specOf<F extends Optional | typeof clusterFilter, const M extends Fields>(
  pods: F,
  more: M,
  moreRules: readonly ValidationRule[] = [],
) {
  return object(
    "Which pods are checkpointed, or which Checkpoints are deleted, and when.",
    {
      ...more,
      suspend: optional(flag("Whether the policy does nothing. Checkpoints in flight are completed.", false)),
      trigger,
      filter: pods,
      action,
      minSpacingSeconds: optional(
        integer(
          "Minimum time between two Checkpoints of a pod, in seconds. Checkpoints of other policies and users count too.",
          0,
          MONTH_SECONDS,
          60,
        ),
      ),
      deadlineSeconds: optional(
        integer(
          "Seconds after which an action that is due is skipped, if it could not start. After a change of the controller's leader, a missed one is made up once within this time.",
          10,
          DAY_SECONDS,
          600,
        ),
      ),
      maxInFlight: optional(
        integer("Maximum number of the policy's Checkpoints that have not ended.", 1, 1000, 10),
      ),
    },
    [...rules, ...moreRules],
  );
}

const failure = object(undefined, {
  namespace: text("Namespace of the pod.", 63),
  pod: text("Name of the pod.", 253),
  time: time("When it was recorded."),
  reason: text("Machine-readable reason, such as DeadlineExceeded, or that of the Checkpoint.", 63),
  message: text("Explanation for people.", 1024),
});

const status = object("Current state of the policy.", {
  observedGeneration: optional(count("Generation of the object that the status describes.")),
  conditions: optional(conditions<CheckpointConditionType | ToolConditionType, PolicyReason>()),
  lastRunTime: optional(
    time(
      "When the last Checkpoint was requested; with notify, when the last notification began; with deleteCheckpoints, when the last completed run began.",
    ),
  ),
  nextRunTime: optional(
    time("When the next pod is due, or the next run of deleteCheckpoints. Missing if none is."),
  ),
  matchedPods: optional(count("Number of pods that match, regardless of minRunningSeconds.")),
  inFlight: optional(count("Number of the policy's Checkpoints that have not ended.")),
  waiting: optional(
    count(
      "Number of pods that are due and wait for the limits. With notify, number of notifications that are not delivered yet.",
    ),
  ),
  lastVerified: optional(policyLastVerified),
  retention: optional(retention),
  platform: optional(platformCopy),
  firings: optional(firings),
  lastFailures: optional(
    list(`The last ${MAX_FAILURES} failures, newest first: the last one of each pod and reason.`, failure, {
      maxItems: MAX_FAILURES,
      merge: "atomic",
    }),
  ),
});

const common = {
  group: AUTOMATION_GROUP,
  version: "v1alpha1",
  status,
  rules: [
    {
      rule: "size(self.metadata.name) <= 63",
      message: "metadata.name is longer than 63 characters, and Checkpoints have it as a label",
    },
  ],
  columns: [
    { name: "Interval", type: "integer", jsonPath: ".spec.trigger.heartbeat.intervalSeconds" },
    { name: "Cron", type: "string", jsonPath: ".spec.trigger.heartbeat.cron" },
    { name: "Suspend", type: "boolean", jsonPath: ".spec.suspend" },
    ...READY_COLUMNS,
    { name: "Matched", type: "integer", format: "int64", jsonPath: ".status.matchedPods" },
    { name: "In Flight", type: "integer", format: "int64", jsonPath: ".status.inFlight" },
    { name: "Last Run", type: "date", jsonPath: ".status.lastRunTime" },
    {
      name: "To Delete",
      type: "integer",
      format: "int64",
      jsonPath: ".status.retention.toDelete",
      description: "Checkpoints that the next run deletes.",
      priority: 1,
    },
    AGE_COLUMN,
  ] satisfies Column[],
} as const;

const spec = specOf(optional(filter), { executor: optional(executor) }, executorRules);
const clusterSpec = specOf(clusterFilter, {});

/** Kind CheckpointPolicy: checkpoints of pods in its namespace. */
export const CHECKPOINT_POLICY = defineKind({
  ...common,
  kind: "CheckpointPolicy",
  plural: "checkpointpolicies",
  shortNames: ["ckptpol"],
  scope: "Namespaced",
  description: "A rule by which pods of the namespace are checkpointed.",
  spec,
});

/** Kind ClusterCheckpointPolicy: checkpoints of pods in selected namespaces. */
export const CLUSTER_CHECKPOINT_POLICY = defineKind({
  ...common,
  kind: "ClusterCheckpointPolicy",
  plural: "clustercheckpointpolicies",
  shortNames: ["cckptpol"],
  scope: "Cluster",
  description: "A rule by which pods of selected namespaces are checkpointed.",
  spec: clusterSpec,
});

/** Labels and annotations of a Checkpoint that a policy created. */
export const POLICY_LABELS = {
  /** Name of the policy. */
  name: "cedana.ai/policy",
  /** UID of the policy. */
  uid: "cedana.ai/policy-uid",
  /** When the checkpoint was due, RFC 3339. An annotation. */
  due: "cedana.ai/policy-due",
  /** The action, if it does more once the Checkpoint is completed. An annotation. */
  action: "cedana.ai/policy-action",
} as const;

/**
 * Reason of a policy's conditions.
 * - `Scheduled`: pods that match are checkpointed when they are due
 * - `Suspended`: `spec.suspend` is true
 * - `ReadingsFailed`: there are no readings of memory
 * - `RunFailed`: the last run of deleteCheckpoints failed or did not delete all that it should
 * - `InvalidTrigger`: the trigger can never be due, or the controller does not have it
 * - `InvalidFilter`: `filter.expression` is not valid, or the controller does not have a filter
 * - `InvalidAction`: the install does not enable the action
 * - `InvalidExecutor`: the install does not mirror policies, or the platform cannot express the policy
 * - `Mirrored`: Cedana's platform executes it
 * - `MirrorPending`: its copy in the platform is about to be created, changed or deleted
 * - `Drifted`: its copy in the platform was changed or deleted there
 * - `PlatformFailed`: the platform rejected it, or has not responded for 10 minutes
 */
export type PolicyReason =
  | "Scheduled"
  | "Suspended"
  | "Mirrored"
  | "MirrorPending"
  | (typeof POLICY_FAILED_REASONS)[number];

/** Reasons of the condition `Failed` of a policy. */
export const POLICY_FAILED_REASONS = [
  "InvalidTrigger",
  "InvalidFilter",
  "InvalidAction",
  "InvalidExecutor",
  "ReadingsFailed",
  "RunFailed",
  "Drifted",
  "PlatformFailed",
] as const;

export type CheckpointPolicySpec = Infer<typeof spec>;
export type ClusterCheckpointPolicySpec = Infer<typeof clusterSpec>;
/** What both kinds have in common. */
export type PolicySpec = Omit<Infer<typeof spec>, "filter"> & { readonly filter?: PodFilter };
export type PolicyStatus = Infer<typeof status>;
export type PolicyFailure = Infer<typeof failure>;
