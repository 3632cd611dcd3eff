import type { PolicyLastVerified, PolicyStatus } from "../../api";
import { failedOf, type PolicyObject, type PolicyPreview } from "../../controller/policies/preview";
import { podText, scheduleText } from "./text";

/**
 * What a policy does.
 * - `scheduled`: pods match, and are checkpointed when they are due; or it does not work on pods
 * - `waiting`: pods are due, and wait for a limit
 * - `failing`: the last action, or the last run of deleteCheckpoints, failed
 * - `noPods`: no pod matches
 * - `suspended`: `spec.suspend` is true
 * - `invalid`: the trigger or the filter cannot be evaluated, or the controller reports the condition `Failed`
 * - `mirrored`: Cedana's platform executes it, or is about to
 * - `notMirrored`: Cedana's platform does not execute it as written
 * - `unobserved`: the controller has not evaluated its current generation
 */
export type PolicyVerdict =
  | "scheduled"
  | "waiting"
  | "failing"
  | "noPods"
  | "suspended"
  | "invalid"
  | "mirrored"
  | "notMirrored"
  | "unobserved";

/** Result of `explain policy`, as `--output json` prints it. */
export interface PolicyReport extends PolicyPreview {
  readonly kind: string;
  readonly namespace?: string;
  readonly name: string;
  readonly verdict: PolicyVerdict;
  /** As the controller wrote it. */
  readonly status: PolicyStatus;
  /** Pods that match now. */
  readonly matched: number;
  /** Commands to run next. */
  readonly next: readonly string[];
}

/** Actions that create Checkpoints. */
const CHECKPOINTING = new Set(["checkpoint", "checkpointThenDelete", "suspend"]);

/** Evaluates a policy of a cluster. `kubectl` is the command with the flags of the same cluster. */
export function policyReport(
  kind: string,
  { metadata: { name, namespace, generation }, spec, status }: PolicyObject,
  preview: PolicyPreview,
  kubectl: string,
): PolicyReport {
  const matched = preview.pods.filter(({ matches }) => matches).length;
  const observed = status.observedGeneration === generation;
  const verdict = verdictOf(observed, spec.suspend ?? false, preview, matched, status);
  return {
    kind,
    ...(namespace === undefined ? {} : { namespace }),
    name,
    verdict,
    status,
    matched,
    ...preview,
    next: nextSteps(verdict, CHECKPOINTING.has(preview.action), kind, name, namespace, kubectl),
  };
}

function verdictOf(
  observed: boolean,
  suspend: boolean,
  { problem, worksOn, executor }: PolicyPreview,
  matched: number,
  status: PolicyStatus,
): PolicyVerdict {
  const { lastFailures = [], lastRunTime = "", waiting = 0 } = status;
  if (!observed) return "unobserved";
  const failed = failedOf(status);
  if (executor || status.platform) {
    if (suspend && !status.platform && !failed) return "suspended";
    return failed ? "notMirrored" : "mirrored";
  }
  if (failed?.reason === "RunFailed") return "failing";
  if (problem || failed) return "invalid";
  if (suspend) return "suspended";
  if (matched === 0 && !worksOn) return "noPods";
  const [failure] = lastFailures;
  // RFC 3339 in UTC: the order of the text is that of the times.
  if (failure && failure.time >= lastRunTime) return "failing";
  return waiting > 0 ? "waiting" : "scheduled";
}

function nextSteps(
  verdict: PolicyVerdict,
  createsCheckpoints: boolean,
  kind: string,
  name: string,
  namespace: string | undefined,
  kubectl: string,
): readonly string[] {
  const scope = namespace === undefined ? "-A" : `-n ${namespace}`;
  switch (verdict) {
    case "unobserved":
      return [`${kubectl} get deployments -A -l app.kubernetes.io/component=controller`];
    case "noPods":
      return [`${kubectl} get pods ${scope} --show-labels`];
    case "failing":
    case "waiting":
      return [
        ...(createsCheckpoints ? [`${kubectl} get checkpoints ${scope} -l cedana.ai/policy=${name}`] : []),
        `${kubectl} get events ${scope} --field-selector involvedObject.kind=${kind},involvedObject.name=${name}`,
      ];
    case "invalid":
    case "notMirrored":
    case "suspended":
      return [
        `${kubectl} edit ${kind.toLowerCase()}${namespace === undefined ? "" : ` -n ${namespace}`} ${name}`,
      ];
    default:
      return [];
  }
}

const VERDICTS: Readonly<Record<PolicyVerdict, string>> = {
  scheduled: "checkpoints pods when they are due",
  waiting: "has pods that are due, and wait for a limit",
  failing: "checkpoints pods, and the last action failed",
  noPods: "matches no pod",
  suspended: "is suspended: spec.suspend is true",
  invalid: "does nothing: it is invalid",
  mirrored: "is executed by Cedana's platform",
  notMirrored: "is not executed by Cedana's platform as it is written",
  unobserved:
    "is not evaluated: no controller runs, install.policies is not set, or its namespace is not one of install.checkpoints.namespaces",
};

function dueText({ verdict, schedule, status: { nextRunTime }, worksOn }: PolicyReport): string {
  if (verdict === "invalid") return "never";
  if (verdict === "mirrored" || verdict === "notMirrored") return "when the platform decides";
  return nextRunTime === undefined
    ? scheduleText(schedule)
    : `next ${worksOn ? "run" : "pod"} at ${nextRunTime}`;
}

/** The same of other actions than `checkpoint`. */
const OF_ACTION: Readonly<Record<string, Partial<typeof VERDICTS>>> = {
  checkpointThenDelete: {
    scheduled: "checkpoints and then evicts pods when they are due",
    failing: "checkpoints and then evicts pods, and the last action failed",
  },
  suspend: {
    scheduled: "checkpoints pods when they are due, and scales their workloads to zero",
    failing: "checkpoints pods and scales their workloads to zero, and the last action failed",
  },
  verify: {
    scheduled: "verifies the newest Checkpoints of pods when they are due",
    failing: "verifies the newest Checkpoints of pods, and the last action failed",
  },
  notify: {
    scheduled: "reports pods when they are due",
    waiting: "has notifications that are not delivered yet",
    failing: "reports pods, and the last action failed",
  },
};

function verdictText({ verdict, action, problem, worksOn, status }: PolicyReport): string {
  const ofAction = OF_ACTION[action]?.[verdict];
  if (ofAction !== undefined) return ofAction;
  if (worksOn && verdict === "scheduled") return `works on ${worksOn} when it is due: no pod is evaluated`;
  if (worksOn && verdict === "failing") return `works on ${worksOn}, and the last action failed`;
  const failed = failedOf(status);
  return verdict === "invalid" && !problem && failed ? `does nothing: ${failed.reason}` : VERDICTS[verdict];
}

/** Returns what the platform reports about the copy. */
function copyText({ platform }: PolicyStatus): string {
  if (!platform) return "none";
  const { id, state, pods } = platform;
  return [id, state, pods === undefined ? undefined : `${pods} pods`].filter((one) => one).join(", ");
}

function verifiedText({ time, namespace, checkpoint, outcome, reason, message }: PolicyLastVerified): string {
  return `${time} Checkpoint ${namespace}/${checkpoint}: ${outcome}: ${reason}: ${message}`;
}

/** Pods and failures that the text names. JSON has all. */
const MAX_ROWS = 20;

/** Formats a report as text. */
export function policyReportText(report: PolicyReport): string {
  const { kind, namespace, name, verdict, status, matched, problem, worksOn, pods, next } = report;
  const shown = verdict === "invalid" || verdict === "notMirrored" ? "Failed" : "Ready";
  const condition = status.conditions?.find(({ type }) => type === shown);
  const isElsewhere = verdict === "mirrored" || verdict === "notMirrored";
  const others = isElsewhere
    ? []
    : pods.filter(({ matches, neverDue }) => !matches || neverDue !== undefined);
  const rows: [string, string][] = [
    ...(problem ? [["problem", problem.message] as [string, string]] : []),
    ...(condition
      ? [
          [
            "condition",
            `${condition.type}=${condition.status} (${condition.reason}): ${condition.message}`,
          ] as [string, string],
        ]
      : []),
    ["due", dueText(report)],
    ...(isElsewhere
      ? [["copy", copyText(status)] as [string, string]]
      : [["last run", status.lastRunTime ?? "none"] as [string, string]]),
    ...(worksOn || isElsewhere
      ? []
      : [
          [
            "pods",
            `${matched} of ${pods.length} match, ${status.inFlight ?? 0} in flight, ${status.waiting ?? 0} waiting`,
          ] as [string, string],
        ]),
    ...(status.lastVerified ? [["verified", verifiedText(status.lastVerified)] as [string, string]] : []),
    ...others
      .slice(0, MAX_ROWS)
      .map((pod): [string, string] => [
        namespace === undefined ? `${pod.namespace}/${pod.name}` : pod.name,
        podText(pod),
      ]),
    ...(others.length > MAX_ROWS
      ? [["...", `and ${others.length - MAX_ROWS} more`] as [string, string]]
      : []),
    ...(status.lastFailures ?? []).map((one): [string, string] => [
      "failure",
      `${one.time} pod ${one.namespace}/${one.pod}: ${one.reason}: ${one.message}`,
    ]),
  ];
  const width = Math.max(...rows.map(([label]) => label.length));
  const lines = rows.map(([label, text]) => `  ${label.padEnd(width)}  ${text}`);
  const title = `${kind} ${namespace === undefined ? name : `${namespace}/${name}`} ${verdictText(report)}`;
  const steps = next.length > 0 ? ["", "Next:", ...next.map((step) => `  ${step}`)] : [];
  return `${[title, ...lines, ...steps].join("\n")}\n`;
}
