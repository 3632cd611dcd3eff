import type {
  PodPreview,
  PolicyPreview,
  RetentionItem,
  RetentionPreview,
  Schedule,
} from "../../controller/policies/preview";

/** Result for one policy, as `--output json` prints it. */
export interface PolicyTest extends PolicyPreview {
  readonly kind: string;
  readonly namespace?: string;
  readonly name: string;
  /** Pods that match. */
  readonly matched: number;
  /** Kinds that protect Checkpoints, and of which the file has no object. */
  readonly absent?: readonly string[];
}

/** Formats the result of a policy as text. */
export function previewText(test: PolicyTest): string {
  const { kind, namespace, name, matched, problem, executor, schedule, pods, retention, absent } = test;
  const title = `${kind} ${namespace === undefined ? name : `${namespace}/${name}`}`;
  const rows: [string, string][] = [
    ...(problem ? [["problem", problem.message] as [string, string]] : []),
    ...(executor
      ? [["executor", "Cedana's platform, which decides when in the interval"] as [string, string]]
      : []),
    ["due", problem ? "never" : scheduleText(schedule)],
    ...pods.map((pod): [string, string] => [podName(pod, namespace), podText(pod)]),
    ...(retention ? retentionRows(retention, namespace, absent) : []),
  ];
  const width = Math.max(...rows.map(([label]) => label.length));
  const lines = rows.map(([label, text]) => `  ${label.padEnd(width)}  ${text}`);
  return [`${title} ${resultText(test, matched)}`, ...lines].join("\n");
}

function resultText({ worksOn, pods, retention }: PolicyTest, matched: number): string {
  if (retention) {
    const { toDelete, selected, toDeleteBytes, totalBytes, dryRun } = retention;
    const result = `would delete ${toDelete} of ${selected} Checkpoints, ${toDeleteBytes} of ${totalBytes} bytes`;
    return dryRun ? `${result}: dryRun is true, so it deletes none` : result;
  }
  return worksOn ? `works on ${worksOn}: no pod is evaluated` : `matches ${matched} of ${pods.length} pods`;
}

/** Maximum number of Checkpoints to delete, and of those that stay, in the text of each policy. JSON has all. */
const MAX_ITEMS = 20;

function retentionRows(
  { next, remaining, kept = [], at }: RetentionPreview,
  scope: string | undefined,
  absent: readonly string[] | undefined,
): [string, string][] {
  const rows = (label: string, items: readonly RetentionItem[]): [string, string][] => [
    ...items.slice(0, MAX_ITEMS).map((item): [string, string] => [label, itemText(item, scope)]),
    ...(items.length > MAX_ITEMS
      ? [[label, `... and ${items.length - MAX_ITEMS} more: --output json has all`] as [string, string]]
      : []),
  ];
  return [
    ["as of", `${at}, if nothing else changes`],
    ...rows("delete", next),
    ...rows("keep", remaining),
    ...(kept.length > 0
      ? [["kept", kept.map(({ reason, count }) => `${count} ${reason}`).join(", ")] as [string, string]]
      : []),
    ...(absent
      ? [["note", `the file has no ${absent.join(", ")}: what they need would stay too`] as [string, string]]
      : []),
  ];
}

function itemText({ namespace, name, reason, message }: RetentionItem, scope: string | undefined): string {
  return `${scope === undefined ? `${namespace}/${name}` : name}  ${reason}: ${message}`;
}

const WHEN: Readonly<Record<string, string>> = {
  manual: "when the annotation cedana.ai/checkpoint-requested-at of a pod or its workload requests it",
  memory: "when the memory of a pod reaches the threshold of spec.trigger.memory",
  startup: "once, when a pod has been Ready for the time of spec.trigger.startup",
  checkpointEnded: "when a Checkpoint of a pod has ended, by spec.trigger.checkpointEnded",
  webhook: "when the controller accepts a signed request to the policy",
};

/** Returns when a policy is due, for people. */
export function scheduleText({ trigger, times, jitterSeconds = 0 }: Schedule): string {
  if (times === undefined) return WHEN[trigger] ?? `when the trigger ${trigger} is`;
  if (times.length === 0) return "never";
  const later = jitterSeconds > 0 ? `; a pod up to ${jitterSeconds} s later` : "";
  return `${times.join(", ")}${later}`;
}

function podName({ namespace, name }: PodPreview, scope: string | undefined): string {
  return scope === undefined ? `${namespace}/${name}` : name;
}

/** Returns why a pod does not match, filter by filter, or why the policy is never due for it. */
export function podText({ matches, failed, neverDue }: PodPreview): string {
  if (neverDue !== undefined) return `matches, and is never due: ${neverDue}`;
  return matches ? "matches" : failed.map(({ filter, message }) => `${filter} ${message}`).join("; ");
}
