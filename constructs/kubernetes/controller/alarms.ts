import { WEBHOOK_NAME } from "../../../api";
import type { ControllerSettings } from "../../../config/programs/controller";
import { checkpointsOf, namesOf, policiesOf, type ResolvedInstall } from "../../../config/install";
import { metadata, type Manifest } from "../object";

/** An alerting rule of Prometheus. */
interface Alarm {
  readonly alert: string;
  readonly expr: string;
  /** How long the expression holds before the alarm fires. Default: it fires at once. */
  readonly for?: string;
  readonly labels: { readonly severity: "warning" | "critical" };
  readonly annotations: { readonly summary: string; readonly description: string };
}

/** Longest normal wait of a node or a Checkpoint, in seconds. */
const LONGEST_WAIT_SECONDS = 900;
/** A certificate is renewed 30 days before it expires, so one that is valid for less was not renewed for two weeks. */
const CERTIFICATE_SECONDS = 14 * 86_400;
/** Range of counters. An alarm stays for this time after the last event. */
const RANGE = "15m";

/** Failures whose cause is the request or the workload. Their user reads them in the Checkpoint. */
const OF_THE_REQUEST = [
  "SourcePod.*",
  "ContainerNotFound",
  "EngineNotFound",
  "LocationNotAllowed",
  "CheckpointNotPossible",
];

/** Returns the PrometheusRule with the alarms of the functions that the controller has. */
export function alarmsRule(
  install: ResolvedInstall,
  settings: ControllerSettings,
): Manifest<{ spec: { groups: { name: string; rules: readonly Alarm[] }[] } }> {
  const { controller: name } = namesOf(install);
  const { namespace } = install;
  return {
    apiVersion: "monitoring.coreos.com/v1",
    kind: "PrometheusRule",
    metadata: metadata(install, { name, namespace, component: "controller" }),
    spec: { groups: [{ name, rules: alarmsOf(install, settings) }] },
  };
}

function alarmsOf(install: ResolvedInstall, settings: ControllerSettings): readonly Alarm[] {
  const { gate, checkpoints, restore, policies } = settings;
  const requests = checkpointsOf(install);
  return [
    leaderMissing(settings),
    ...(gate ? [nodeWaits(gate.failOpenAfterSeconds)] : []),
    ...(requests ? checkpointAlarms(requests.timeoutSeconds) : []),
    ...(policiesOf(install) ? POLICY_ALARMS : []),
    ...(policies && policies.verify ? [VERIFICATIONS_FAIL] : []),
    ...(policies && policies.notify ? [NOTIFICATIONS_FAIL] : []),
    ...(policies && policies.platform ? [NOT_MIRRORED] : []),
    ...(restore ? [RESTORES_LOST] : []),
    // Only an engine with agents of this toolkit has their reports.
    ...(checkpoints && "agent" in checkpoints ? [nodeCannotStore(checkpoints.agent.namespace)] : []),
  ];
}

/** Without a leader, or without its metrics, no other alarm fires. */
function leaderMissing({ leaseName, namespace }: ControllerSettings): Alarm {
  return {
    alert: "CedanaControllerMissing",
    expr: `absent(leader_election_master_status{name="${leaseName}"} == 1)`,
    for: "5m",
    labels: { severity: "critical" },
    annotations: {
      summary: "No replica of the controller leads, or its metrics are missing",
      description: `Nodes stay gated, and Checkpoints and restores wait. Check: kubectl get lease,pods -n ${namespace}`,
    },
  };
}

/** @param failOpenAfterSeconds time after which a node no longer waits; undefined: never */
function nodeWaits(failOpenAfterSeconds = Infinity): Alarm {
  const seconds = Math.min(LONGEST_WAIT_SECONDS, Math.floor(failOpenAfterSeconds / 2));
  return {
    alert: "CedanaNodeWaits",
    expr: `max(cedana_readiness_oldest_waiting_seconds) > ${seconds}`,
    labels: { severity: "warning" },
    annotations: {
      summary: "A node has waited for its agents for {{ $value | humanizeDuration }}",
      description:
        "It takes no workload until the startup taint is removed. Its condition CedanaReady has the agent and the cause: cedana-cdk explain node NAME",
    },
  };
}

/** @param timeoutSeconds of a checkpoint. A Checkpoint waits while an older one of its pod or node is taken */
function checkpointAlarms(timeoutSeconds: number): readonly Alarm[] {
  const failed = `cedana_checkpoints_total{result!="completed",reason!~"${OF_THE_REQUEST.join("|")}"}`;
  return [
    {
      alert: "CedanaCheckpointsFail",
      expr: `sum by (engine, reason) (increase(${failed}[${RANGE}])) > 0`,
      labels: { severity: "warning" },
      annotations: {
        summary: "Checkpoints fail: {{ $labels.reason }}",
        description:
          'The log of the controller has pod, node and message of each: lines "checkpoint ended". The Checkpoints have the message in their conditions: kubectl get ckpt -A',
      },
    },
    {
      alert: "CedanaCheckpointsWait",
      expr: `max(cedana_checkpoints_oldest_waiting_seconds) > ${Math.max(LONGEST_WAIT_SECONDS, timeoutSeconds)}`,
      labels: { severity: "warning" },
      annotations: {
        summary: "A Checkpoint has waited for its start for {{ $value | humanizeDuration }}",
        description:
          "The message of its conditions has the cause: its pod does not run, the pod or node is busy, or the engine cannot be reached. kubectl get ckpt -A",
      },
    },
  ];
}

const POLICY_ALARMS: readonly Alarm[] = [
  {
    alert: "CedanaPoliciesFail",
    expr: `sum by (trigger, outcome) (increase(cedana_policy_actions_total{outcome=~"missed|backoff|failed"}[${RANGE}])) > 0`,
    labels: { severity: "warning" },
    annotations: {
      summary: "Policies do not do what is due: {{ $labels.outcome }}",
      description:
        "missed: a pod was due and could not start before deadlineSeconds, because of a limit. backoff: the last Checkpoints of a pod failed. failed: a run of deleteCheckpoints did not delete all that it should. The conditions and status.lastFailures of the policies have pod and cause: kubectl get ckptpol,cckptpol -A, and cedana-cdk explain policy NAME",
    },
  },
  {
    alert: "CedanaPoliciesInvalid",
    expr: 'max by (reason) (cedana_policies_failed{reason=~"InvalidTrigger|InvalidFilter|InvalidAction|InvalidExecutor|ReadingsFailed"}) > 0',
    for: "15m",
    labels: { severity: "warning" },
    annotations: {
      summary: "{{ $value }} policies do nothing: {{ $labels.reason }}",
      description:
        "The condition Failed of each has the cause: kubectl get ckptpol,cckptpol -A, and cedana-cdk explain policy NAME",
    },
  },
  {
    alert: "CedanaPoliciesWait",
    expr: `max(min_over_time(cedana_policy_actions_waiting[${RANGE}])) > 0 and max(deriv(cedana_policy_actions_waiting[${RANGE}])) > 0`,
    for: "30m",
    labels: { severity: "warning" },
    annotations: {
      summary: "More and more pods are due and wait: {{ $value }} for all of the last 15 minutes",
      description:
        "The policies are due more often than Checkpoints end. Raise install.policies.maxInFlight, maxInFlight of a policy or install.checkpoints.maxPerNode, or the intervals: cedana-cdk explain policy NAME",
    },
  },
];

const VERIFICATIONS_FAIL: Alarm = {
  alert: "CedanaVerificationsFail",
  expr: `sum(increase(cedana_verifications_total{outcome="Failed"}[${RANGE}])) > 0`,
  labels: { severity: "warning" },
  annotations: {
    summary: "A Checkpoint could not be restored in a sandbox pod",
    description:
      "The Checkpoint may be unusable as a backup of its pod. status.lastVerified of Checkpoint and policy has the cause: kubectl get ckpt -A -o wide, column VERIFIED",
  },
};

const NOTIFICATIONS_FAIL: Alarm = {
  alert: "CedanaNotificationsFail",
  expr: `sum by (destination) (increase(cedana_notifications_total{outcome="failed"}[${RANGE}])) > 0`,
  labels: { severity: "warning" },
  annotations: {
    summary: "Notifications of policies do not reach the destination {{ $labels.destination }}",
    description:
      'The receiver was not reached before deadlineSeconds, rejected them, or too many wait. The log of the controller has the cause: lines "notification not delivered"',
  },
};

const NOT_MIRRORED: Alarm = {
  alert: "CedanaPoliciesNotMirrored",
  expr: 'max by (state) (cedana_platform_policies{state=~"drifted|failed|invalid|removing"}) > 0',
  for: "15m",
  labels: { severity: "warning" },
  annotations: {
    summary:
      "Cedana's platform does not execute {{ $value }} policies as they are written: {{ $labels.state }}",
    description:
      "drifted: a copy was changed or deleted in the platform. failed: the platform rejected it or does not respond. invalid: it cannot be expressed there. removing: a copy that is no longer needed could not be deleted. The condition Failed of the policies has the reason: kubectl get ckptpol -A; for removing the log of the controller",
  },
};

/** Returns the expression with another label `reason`. */
function because(reason: string, expression: string): string {
  return `label_replace(${expression}, "reason", "${reason}", "", "")`;
}

const RESTORES_LOST: Alarm = {
  alert: "CedanaRestoresLost",
  expr: [
    `sum by (result, reason) (increase(cedana_restores_total{result=~"fellBack|stopped|lost|unknown"}[${RANGE}])) > 0`,
    `sum by (result, reason) (increase(cedana_restores_total{reason="NoDecision"}[${RANGE}])) > 0`,
    because(
      "WebhookWithoutDecision",
      `sum(increase(cedana_restore_admissions_total{result="error"}[${RANGE}])) > 0`,
    ),
    because(
      "WebhookNotReached",
      `sum(increase(apiserver_admission_webhook_fail_open_count{name="${WEBHOOK_NAME}"}[${RANGE}])) > 0`,
    ),
    because(
      "CertificateExpires",
      `min(cedana_webhook_certificate_not_after_timestamp_seconds) - time() < ${CERTIFICATE_SECONDS}`,
    ),
    because(
      "CertificateNotYetValid",
      "max(cedana_webhook_certificate_not_before_timestamp_seconds) - time() > 0",
    ),
  ].join("\nor\n"),
  // A new replica serves no certificate at first.
  for: "5m",
  labels: { severity: "critical" },
  annotations: {
    summary: "Restores are lost, or will be: {{ $labels.reason }}",
    description:
      'The log of the controller has user, pod, node, Checkpoint and message of each: lines "admission" and "restore ended". The event of the pod has the message too',
  },
};

function nodeCannotStore(namespace: string): Alarm {
  return {
    alert: "CedanaNodeCannotStore",
    expr: [
      'max by (check) (cedana_node_checks{check=~"space|registry",status="failed"}) > 0',
      'label_replace(max(cedana_pushes_retrying) > 0, "check", "push", "", "")',
    ].join("\nor\n"),
    for: "10m",
    labels: { severity: "warning" },
    annotations: {
      summary: "Nodes cannot store checkpoints: {{ $labels.check }} fails",
      description: `The disk of the checkpoints has only its reserve left, or the registry does not take them. The messages: kubectl get nodecheckpoints,pods -n ${namespace} -o wide, and the condition cedana.ai/node-can-checkpoint of the health check's pods`,
    },
  };
}
