import { isDeepStrictEqual } from "node:util";
import {
  conditionsOf,
  toolConditions,
  type PolicyLastVerified,
  type PolicyReason,
  type PolicySpec,
  type PolicyStatus,
} from "../../api";
import type { PolicyView } from "./core/outcome";
import { entryOf } from "./core/types";
import type { Undelivered } from "./notify";
import type { ReadingsProblem } from "./memory/readings";
import type { PolicyObject } from "./objects";

/** Nothing waits. */
const NONE: Undelivered = { count: 0 };

const time = (ms: number) => new Date(ms).toISOString();

/**
 * Returns the status of a policy.
 * @param ofAction what its action adds
 * @param lastVerified its last verification, by the Checkpoints. Default: what the status has, as the Checkpoint may be deleted
 * @param undelivered its notifications that wait. Default: none
 * @returns undefined if the object has it already
 */
export function statusOf(
  { metadata, spec, status }: PolicyObject,
  view: PolicyView,
  {
    readings,
    ofAction,
    lastVerified,
    undelivered = NONE,
  }: {
    readonly readings: ReadingsProblem | undefined;
    readonly ofAction: Pick<PolicyStatus, "retention">;
    readonly lastVerified?: PolicyLastVerified | undefined;
    readonly undelivered?: Undelivered;
  },
  nowMs: number,
): PolicyStatus | undefined {
  const [reason, message] = reasonOf(view, spec, readings, undelivered);
  const input = {
    reason,
    message,
    observedGeneration: metadata.generation,
    before: status.conditions ?? [],
    now: time(nowMs),
  };
  const isInvalid = view.problem !== undefined || reason === "ReadingsFailed" || reason === "RunFailed";
  const next: PolicyStatus = {
    observedGeneration: metadata.generation,
    conditions: [
      ...conditionsOf({ ...input, holds: isInvalid ? "Failed" : "Ready" }),
      ...toolConditions(input, isInvalid ? "failed" : "completed"),
    ],
    ...(view.lastRunMs === undefined ? {} : { lastRunTime: time(view.lastRunMs) }),
    ...(view.nextRunMs === undefined ? {} : { nextRunTime: time(view.nextRunMs) }),
    ...(view.subject === "policy"
      ? ofAction
      : {
          matchedPods: view.matchedPods,
          inFlight: view.inFlight,
          waiting: view.waiting + undelivered.count,
          ...optional({ lastVerified: lastVerified ?? status.lastVerified }),
        }),
    ...(view.failures.length === 0 ? {} : { lastFailures: view.failures }),
  };
  return changedStatus(status, next);
}

/** Returns the status to write; undefined if the object has it already. */
export function changedStatus(status: PolicyStatus, next: PolicyStatus): PolicyStatus | undefined {
  // The replicas that accept requests write them, with another field manager.
  const { firings: _, ...own } = status;
  return isDeepStrictEqual(plain(next), plain(own)) ? undefined : next;
}

function optional<T extends object>(fields: T): Partial<T> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Partial<T>;
}

/** Maximum length of a condition's message. */
const MAX_MESSAGE = 4096;
/** Precedes why a run failed. */
const RUN_FAILED = "the last run did not delete all that it should, and the next one tries again: ";

/** Returns the number of policies whose condition `Failed` is true, by reason. */
export function failedIn(policies: readonly PolicyObject[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const { status } of policies) {
    const reason = failedOf(status)?.reason;
    if (reason !== undefined) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  }
  return counts;
}

/** Returns the condition by which the controller reports that a policy does nothing, or that its last run failed. */
export function failedOf({ conditions = [] }: PolicyStatus) {
  return conditions.find(({ type, status }) => type === "Failed" && status === "True");
}

/** Returns why the last run failed, as another leader wrote it into the status. */
export function runFailureIn(status: PolicyStatus): string | undefined {
  const failed = failedOf(status);
  return failed?.reason === "RunFailed" ? failed.message.slice(RUN_FAILED.length) : undefined;
}

function reasonOf(
  { problem, isWatching, unwatched, filterErrors, runFailure }: PolicyView,
  { suspend, action }: PolicyObject["spec"],
  readings: ReadingsProblem | undefined,
  { count, cause }: Undelivered,
): [reason: PolicyReason, message: string] {
  if (problem !== undefined) return [problem.reason, problem.message];
  const [suspended, scheduled] = messagesOf(action);
  if (suspend) return ["Suspended", `spec.suspend is true: ${suspended}`];
  if (runFailure !== undefined) return ["RunFailed", `${RUN_FAILED}${runFailure}`.slice(0, MAX_MESSAGE)];
  if (isWatching && readings?.of === "all") return ["ReadingsFailed", readings.message.slice(0, MAX_MESSAGE)];
  const notes = [
    ...(filterErrors
      ? [
          `the filter cannot be evaluated for ${filterErrors.count} pods, which do not match, such as ${filterErrors.example}`,
        ]
      : []),
    ...(unwatched ? [`never due for ${unwatched.pods} of them, such as ${unwatched.example}`] : []),
    ...(isWatching && readings ? [readings.message] : []),
    ...(cause === undefined ? [] : [`notifications that wait after a failed attempt: ${count}; ${cause}`]),
  ];
  return ["Scheduled", [scheduled, ...notes].join("; ").slice(0, MAX_MESSAGE)];
}

type Messages = readonly [suspended: string, scheduled: string];

const MESSAGES: Readonly<Record<keyof PolicySpec["action"], Messages>> = {
  checkpoint: ["no pod is checkpointed", "pods that match are checkpointed when they are due"],
  checkpointThenDelete: [
    "no pod is checkpointed or evicted",
    "pods that match are checkpointed and then evicted when they are due",
  ],
  deleteCheckpoints: [
    "no Checkpoint is deleted",
    "Checkpoints that exceed a limit are deleted when the policy is due",
  ],
  suspend: [
    "no workload is scaled to zero",
    "pods that match are checkpointed when they are due, and their workloads scaled to zero",
  ],
  resume: [
    "no suspended workload is scaled back",
    "suspended workloads that match are scaled back when they are due",
  ],
  verify: [
    "no Checkpoint is verified",
    "the newest Checkpoints of pods that match are verified when they are due",
  ],
  notify: ["nothing is reported", "an event of each pod that matches is recorded when it is due"],
};

/** Returns the messages of an action. The controller has no policy in force without a known one. */
function messagesOf(action: object): Messages {
  return entryOf(MESSAGES, action)?.entry ?? MESSAGES.checkpoint;
}

/** Returns the JSON, whose objects have no other prototype. */
function plain(status: PolicyStatus): unknown {
  return JSON.parse(JSON.stringify(status));
}
