/** What actions do once their Checkpoint is completed: eviction, scaling. */
import {
  controller,
  isFinal,
  NotLeaderError,
  type CachedObjects,
  type Client,
  type Controller,
  type Events,
  type Logger,
  type Metrics,
} from "../../kube";
import type { CheckpointObject } from "../checkpoints/objects";
import { CHECKPOINT } from "../checkpoints/objects";
import { podKeyOf } from "../checkpoints/reservations";
import { phaseOf } from "../checkpoints/state";
import { ActionError, ELSEWHERE, isKept, OVER, type Action } from "./actions";
import { entryOf, type Policy } from "./core/types";
import { toPolicy, type PodObject, type PolicyObject } from "./objects";

/** Time between two attempts while something is waited for. */
const AGAIN_MS = 5000;
const WORKERS = 4;
const MAX_DELAY_MS = 30_000;

/** Outcomes of follow-ups. */
export const FOLLOW_UPS = ["done", "failed"] as const;

export interface FollowUpOptions {
  readonly policies: readonly CachedObjects<PolicyObject>[];
  readonly checkpoints: CachedObjects<CheckpointObject>;
  readonly pods: CachedObjects<PodObject>;
  readonly actions: Readonly<Record<string, Action>>;
  readonly client: Client;
  readonly events: Events;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** Records a failure of the policy. `pod` is its `namespace/name`. */
  readonly failed: (policy: Policy, pod: string, reason: string, message: string) => void;
}

/**
 * Returns the controller of follow-ups. It keeps nothing but what it waits for: Checkpoint, policy and pod say whether there is
 * something left to do, so that a new leader continues.
 */
export function followUpController(options: FollowUpOptions): Controller {
  const { policies, checkpoints, pods, log, metrics } = options;
  const counter = metrics.counter(
    "cedana_policy_follow_ups_total",
    "Number of actions that were due once a Checkpoint of a policy was completed, by outcome",
    ["action", "outcome"],
    Object.entries(options.actions).flatMap(([action, entry]) =>
      entry.followUp === undefined ? [] : FOLLOW_UPS.map((outcome) => ({ action, outcome })),
    ),
  );
  const followUps = new FollowUps(options, (action, outcome) => counter.inc({ action, outcome }));
  return controller("policy-follow-ups", { log, metrics, workers: WORKERS, maxDelayMs: MAX_DELAY_MS })
    .for(checkpoints, {
      initial: (all) => all.filter(isDue),
      when: ({ new: now }) => now !== undefined && isDue(now),
    })
    .needs(pods, ...policies)
    .reconcile((key, signal) => followUps.reconcile(key, signal));
}

/** An imported Checkpoint says nothing about a pod of this cluster. */
function isDue({ metadata, status, record }: CheckpointObject): boolean {
  const isOwn = record === undefined || record.checkpointUID === metadata.uid;
  return metadata.policy?.action !== undefined && isOwn && phaseOf(status) === "completed";
}

class FollowUps {
  /** What is waited for, by the key of the Checkpoint. */
  private readonly waiting = new Map<string, string>();
  private readonly policyOf: ((uid: string) => readonly PolicyObject[])[];
  private readonly checkpointsOf: (pod: string) => readonly CheckpointObject[];

  constructor(
    private readonly options: FollowUpOptions,
    private readonly count: (action: string, outcome: (typeof FOLLOW_UPS)[number]) => void,
  ) {
    this.policyOf = options.policies.map((objects) => objects.index(({ metadata }) => [metadata.uid]));
    this.checkpointsOf = options.checkpoints.index((object) => [podKeyOf(object)]);
  }

  async reconcile(key: string, signal: AbortSignal): Promise<{ requeueAfterMs: number } | undefined> {
    const found = this.find(key);
    if (!found) return void this.waiting.delete(key);
    const { name, entry, settings, policy, checkpoint, pod, endMs } = found;
    const podKey = podKeyOf(checkpoint);
    const fail = (reason: string, message: string): undefined => {
      this.waiting.delete(key);
      this.count(name, "failed");
      this.options.failed(policy, podKey, reason, message);
    };
    if (Date.now() >= endMs) {
      const cause = this.waiting.get(key);
      // Long ago, before this process led: not reported again.
      if (cause === undefined) return undefined;
      const { name: checkpointName } = checkpoint.metadata;
      return fail(
        "DeadlineExceeded",
        `Checkpoint ${checkpointName} is completed, and ${name} was not done within deadlineSeconds after it: ${cause}`,
      );
    }
    try {
      const { client, events } = this.options;
      // The cache may not have the deletion of the Checkpoint yet, without which the state of the pod would be lost.
      const now = await client.get(CHECKPOINT, checkpoint.metadata, { signal });
      if (now?.metadata.uid !== checkpoint.metadata.uid || !isKept(now)) return void this.waiting.delete(key);
      const context = { client, events, checkpointsOf: this.checkpointsOf, signal };
      const cause = await entry.followUp?.(settings, { policy, checkpoint, pod }, context);
      if (cause === undefined) {
        this.waiting.delete(key);
        this.count(name, "done");
        return undefined;
      }
      if (cause === OVER) return void this.waiting.delete(key);
      if (cause === ELSEWHERE) this.waiting.delete(key);
      else this.waiting.set(key, cause);
      return { requeueAfterMs: Math.max(1, Math.min(AGAIN_MS, endMs - Date.now())) };
    } catch (error) {
      if (error instanceof ActionError) return fail(error.reason, error.message);
      const message = error instanceof Error ? error.message : String(error);
      if (isFinal(error)) return fail("Rejected", message);
      if (!(error instanceof NotLeaderError)) this.waiting.set(key, message);
      throw error;
    }
  }

  /** Returns what there is to do; undefined if there is nothing. */
  private find(key: string) {
    const { checkpoints, pods, actions } = this.options;
    const checkpoint = checkpoints.get(key);
    if (!checkpoint || !isDue(checkpoint)) return undefined;
    const { policy: by, deletionTimestamp } = checkpoint.metadata;
    const object = this.policyOf.flatMap((policies) => policies(by?.uid ?? ""))[0];
    const found = object && entryOf(actions, object.spec.action);
    // Users cancel by changing, suspending or deleting the policy, and by deleting the Checkpoint.
    if (!found || found.name !== by?.action || object.spec.suspend || deletionTimestamp !== undefined)
      return undefined;
    if (object.metadata.deletionTimestamp !== undefined) return undefined;
    const pod = pods.get(podKeyOf(checkpoint));
    if (!pod || pod.isDeleted || pod.metadata.uid !== checkpoint.status.podUID) return undefined;
    const { completionTime = "" } = checkpoint.status;
    const endMs = Date.parse(completionTime) + (object.spec.deadlineSeconds ?? 0) * 1000;
    return { ...found, policy: toPolicy(object, Date.now()), checkpoint, pod, endMs };
  }
}
