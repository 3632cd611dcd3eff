import { isDeepStrictEqual } from "node:util";
import type { MemoryWatch, PolicyFailure, PolicyStatus } from "../../api";
import {
  isFinal,
  NotLeaderError,
  sleep,
  Turn,
  type CachedObjects,
  type Client,
  type Events,
  type Logger,
} from "../../kube";
import type { CheckpointObject } from "../checkpoints/objects";
import { podKeyOf } from "../checkpoints/reservations";
import { ActionError, type Action } from "./actions";
import { PolicyEngine } from "./core/engine";
import type { EngineOptions } from "./core/options";
import type { PolicyView } from "./core/outcome";
import type { RunEnd } from "./core/policy-runs";
import type { KnownStatus } from "./core/policy-state";
import { entryOf, type Policy, type PolicyRun, type Run } from "./core/types";
import { requestMs, toFact, toPolicy, type PodObject, type PolicyObject } from "./objects";
import { watchName, type WatchObject } from "./memory/objects";
import { runFailureIn } from "./status";
import type { Report } from "./report";
import { Retention, type RetentionCaches } from "./retention";

/** Longest time between two looks at the clock, which may be set. */
const MAX_SLEEP_MS = 60_000;
/** Reason for which a sleep ends. Without a reason, each abort would create an error with a stack. */
const WOKEN = "woken";
/** Delay after a request that was not executed. */
const RETRY_MS = 5000;

/** Objects that policies depend on. */
export interface PolicyCaches extends RetentionCaches {
  readonly policies: readonly CachedObjects<PolicyObject>[];
  readonly memoryWatches: CachedObjects<WatchObject>;
  /** Suspended workloads, as pods. Empty if no action needs them. */
  readonly suspended: readonly CachedObjects<PodObject>[];
}

export interface DriverOptions extends Omit<
  EngineOptions,
  "checkpointsOf" | "checkpointAt" | "report" | "failed"
> {
  readonly caches: PolicyCaches;
  readonly actions: Readonly<Record<string, Action>>;
  readonly client: Client;
  readonly events: Events;
  readonly log: Logger;
  readonly report: Report;
  /** Called with the key of each policy whose status changed. */
  readonly changed: (key: string) => void;
  /** Whether another program executes a policy. Default: none does. */
  readonly isElsewhere?: (policy: PolicyObject) => boolean;
  /** Called with each node on which other pods must be watched. */
  readonly watchesChanged: (nodeName: string) => void;
  /** Namespace of the NodeMemoryWatches. */
  readonly watchNamespace: string;
}

/** Connects the policy engine to the cluster and the clock. It works on the leader only. */
export class PolicyDriver {
  private readonly engine: PolicyEngine;
  private readonly checkpointsOf: (pod: string) => readonly CheckpointObject[];
  private readonly podsOf: (owner: string) => readonly PodObject[];
  private readonly retention: Retention;
  private readonly work = new Set<Promise<void>>();
  private wake = () => {};

  constructor(private readonly options: DriverOptions) {
    const { caches } = options;
    this.checkpointsOf = caches.checkpoints.index((object) => [podKeyOf(object)]);
    this.podsOf = caches.pods.index(({ ownerUID }) => (ownerUID === undefined ? [] : [ownerUID]));
    this.engine = new PolicyEngine({
      ...options,
      checkpointsOf: (pod) => this.checkpointsOf(pod).map(toFact),
      checkpointAt: (key) => {
        const found = caches.checkpoints.get(key);
        return found && toFact(found);
      },
      report: (outcome, trigger, run) => options.report.outcome(outcome, trigger, run, Date.now()),
      failed: (policy, failure) => options.report.failed(policy, failure),
    });
    this.retention = new Retention({
      caches,
      filters: options.filters,
      client: options.client,
      isCurrent: (policy) => this.engine.isCurrent(policy),
      deleted: (policy, deletion) => options.report.deleted(policy, deletion),
      ended: (policy, deleted) => options.report.retentionEnded(policy, deleted),
      failed: ({ uid }, { checkpoint: { key, pod, podName } }, { message }) =>
        this.engine.fail(uid, `${pod.namespace}/${podName}`, Date.now(), {
          reason: "DeletionRejected",
          message: `Checkpoint ${key}: ${message}`,
        }),
    });
  }

  view(uid: string): PolicyView | undefined {
    return this.engine.view(uid);
  }

  /** Returns what must be watched on a node. */
  watchesOn(nodeName: string): readonly MemoryWatch[] {
    return this.engine.watches.on(nodeName);
  }

  /** Keys of the policies whose trigger depends on readings. */
  get watchingPolicies(): readonly string[] {
    const all = this.options.caches.policies.flatMap((objects) => objects.list());
    return all.flatMap(({ metadata: { uid } }) =>
      this.engine.view(uid)?.isWatching ? (this.engine.keyOf(uid) ?? []) : [],
    );
  }

  /** Records a failure of a policy. `pod` is its `namespace/name`. */
  fail(policy: Policy, pod: string, reason: string, message: string): void {
    this.engine.fail(policy.uid, pod, Date.now(), { reason, message });
    this.wake();
  }

  get totals() {
    return this.engine.totals;
  }

  /** Records a failure of something that an action has started, and starts what waited for its end. */
  ended(policyUID: string, failure?: Omit<PolicyFailure, "time">): void {
    if (failure) this.engine.fail(policyUID, `${failure.namespace}/${failure.pod}`, Date.now(), failure);
    this.notify(policyUID);
    this.wake();
  }

  /** Returns whether the policy is in force as it was. */
  isCurrent(policy: Policy): boolean {
    return this.engine.isCurrent(policy);
  }

  /** Returns the number of Checkpoints that policies keep, by reason. */
  keptTotals() {
    return this.retention.keptTotals();
  }

  /** Returns what the action of a policy adds to its status. */
  async actionStatus(uid: string, nowMs: number): Promise<Pick<PolicyStatus, "retention">> {
    const policy = this.engine.policy(uid);
    const { problem, nextRunMs = nowMs } = this.engine.view(uid) ?? {};
    const found = policy && this.actionOf(policy);
    if (!found || problem !== undefined || found.action.of !== "policy") return {};
    const status = await found.action.status?.(
      found.settings,
      policy,
      { retention: this.retention },
      nextRunMs,
    );
    // The policy may have been deleted meanwhile. Then nothing of it is kept.
    if (!this.engine.policy(uid)) this.retention.policyDeleted(uid);
    return status ?? {};
  }

  /** Reads what the caches have, follows their changes, and evaluates one policy in each turn of the event loop. */
  async start(): Promise<void> {
    this.read();
    this.follow();
    this.followMemory();
    await new Turn(1).do(this.engine.starting(() => Date.now()));
  }

  private read(): void {
    const { policies, pods, suspended, namespaces, checkpoints } = this.options.caches;
    const nowMs = Date.now();
    for (const one of namespaces.list()) this.engine.setNamespace(one.metadata.name, one.labels, nowMs);
    for (const objects of policies) for (const one of objects.list()) this.setPolicy(one, nowMs);
    for (const objects of [pods, ...suspended]) for (const one of objects.list()) this.setPod(one, nowMs);
    for (const one of checkpoints.list()) this.engine.setCheckpoint(toFact(one));
  }

  private follow(): void {
    const { policies, pods, suspended, namespaces, checkpoints, workloads } = this.options.caches;
    namespaces.onChange(({ old, new: now }) => {
      if (now) this.engine.setNamespace(now.metadata.name, now.labels, Date.now());
      else if (old) this.engine.removeNamespace(old.metadata.name);
      this.wake();
    });
    for (const objects of policies) {
      objects.onChange(({ old, new: now }) => {
        if (now) this.setPolicy(now, Date.now());
        else if (old) {
          this.engine.removePolicy(old.metadata.uid);
          this.retention.policyDeleted(old.metadata.uid);
        }
        this.wake();
      });
    }
    for (const objects of [pods, ...suspended]) {
      objects.onChange(({ old, new: now }) => {
        if (now) this.setPod(now, Date.now(), old);
        else if (old) this.engine.removePod(old.metadata.uid);
        this.wake();
      });
    }
    checkpoints.onChange(({ key, old, new: now }) => {
      if (now) this.engine.setCheckpoint(toFact(now));
      else this.engine.removeCheckpoint(key, old?.metadata.policy?.uid);
      const verified = now?.status.lastVerified;
      if (verified?.policyUID !== undefined && verified.time !== old?.status.lastVerified?.time)
        this.notify(verified.policyUID);
      this.engine.touchPolicies((now ?? old)?.metadata.namespace ?? "");
      this.wake();
    });
    for (const objects of workloads) {
      objects.onChange(({ old, new: now }) => {
        if (now === undefined || now.requestedAt === old?.requestedAt) return;
        const { requestedAt, requestedOn } = now;
        if (requestedAt !== undefined && requestedOn && requestMs(requestedAt) === undefined)
          this.options.report.invalidRequest(
            { ...requestedOn, namespace: now.metadata.namespace },
            requestedAt,
          );
        for (const pod of this.podsOf(now.metadata.uid)) this.setPod(pod, Date.now(), pod);
        this.wake();
      });
    }
  }

  /** Follows the crossings of memory. */
  private followMemory(): void {
    const { memoryWatches, pods } = this.options.caches;
    const podOf = pods.index(({ metadata: { uid } }) => [uid]);
    memoryWatches.onChange(({ old, new: now }) => {
      for (const podUID of new Set([...(old?.crossings.keys() ?? []), ...(now?.crossings.keys() ?? [])])) {
        if (isDeepStrictEqual(old?.crossings.get(podUID), now?.crossings.get(podUID))) continue;
        for (const pod of podOf(podUID)) this.setPod(pod, Date.now(), pod);
      }
      this.wake();
    });
  }

  /** Starts what is due, until the signal. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const woken = new AbortController();
      const stop = () => woken.abort(WOKEN);
      this.wake = stop;
      signal.addEventListener("abort", stop, { once: true });
      for (const run of this.engine.advance(Date.now())) this.track(this.execute(run, signal));
      for (const run of this.engine.takePolicyRuns()) this.track(this.executePolicy(run, signal));
      for (const uid of this.engine.takeChanged()) this.notify(uid);
      for (const nodeName of this.engine.watches.takeChanged()) this.options.watchesChanged(nodeName);
      const nextMs = this.engine.nextMs ?? Number.POSITIVE_INFINITY;
      await sleep(Math.max(1, Math.min(nextMs - Date.now(), MAX_SLEEP_MS)), woken.signal);
      signal.removeEventListener("abort", stop);
    }
  }

  /** Settles once the requests in progress have ended. */
  async drain(): Promise<void> {
    await Promise.all(this.work);
  }

  private track(work: Promise<void>): void {
    const tracked = work.finally(() => this.work.delete(tracked));
    this.work.add(tracked);
  }

  private async execute(run: Run, signal: AbortSignal): Promise<void> {
    const { client, events, log, caches } = this.options;
    const { namespace } = run.pod;
    const found = this.actionOf(run.policy);
    const fail = (reason: string, message: string) => this.engine.failRun(run, Date.now(), reason, message);
    try {
      // Without the Checkpoints and pods of the namespace, nothing is known about the pod.
      const denied = caches.checkpoints.deniedIn(namespace) ?? caches.pods.deniedIn(namespace);
      if (denied) return fail("ListDenied", denied.message);
      if (!found || found.action.of === "policy") {
        const names = Object.keys(run.policy.spec.action).join(", ");
        return fail("UnknownAction", `this controller does not have the action ${names}`);
      }
      const state = await found.action.execute(found.settings, run, { client, events, signal });
      if (typeof state === "object") return this.engine.retryRun(run, Date.now() + RETRY_MS, state.later);
      if (state === "ended") this.engine.removeCheckpoint(run.key, run.policy.uid);
    } catch (error) {
      // The next leader makes it up.
      if (signal.aborted || error instanceof NotLeaderError) return;
      const message = error instanceof Error ? error.message : String(error);
      if (error instanceof ActionError) return fail(error.reason, message);
      if (isFinal(error)) return fail("Rejected", message);
      log.warn({ policy: run.policy.name, checkpoint: run.key, err: error }, "action not executed, retrying");
      this.engine.retryRun(run, Date.now() + RETRY_MS, `the API server did not execute it: ${message}`);
    } finally {
      this.wake();
    }
  }

  /** Executes the action of a policy as a whole. What an error leaves is done by the next run. */
  private async executePolicy(run: PolicyRun, signal: AbortSignal): Promise<void> {
    const found = this.actionOf(run.policy);
    let end: RunEnd = { isCompleted: false };
    try {
      if (found?.action.of !== "policy") return;
      const failure = await found.action.execute(found.settings, run, { retention: this.retention, signal });
      // A run of an earlier generation ended before it was completed.
      end = { isCompleted: this.engine.isCurrent(run.policy), failure };
    } catch (error) {
      if (signal.aborted || error instanceof NotLeaderError) return;
      this.options.log.warn({ policy: run.policy.name, err: error }, "action of a policy not completed");
      end = { isCompleted: false, failure: error instanceof Error ? error.message : String(error) };
    } finally {
      if (end.failure !== undefined) this.options.report.runFailed(run.policy, end.failure);
      this.engine.endPolicyRun(run, end);
      this.wake();
    }
  }

  private actionOf({ spec }: Policy): { readonly action: Action; readonly settings: never } | undefined {
    const found = entryOf(this.options.actions, spec.action);
    return found && { action: found.entry, settings: found.settings };
  }

  /** Evaluates again what executes a policy. */
  executorChanged(object: PolicyObject): void {
    this.setPolicy(object, Date.now());
    this.wake();
  }

  private setPolicy(object: PolicyObject, nowMs: number): void {
    const { lastRunTime, lastFailures, firings: [firing] = [] } = object.status;
    const known: KnownStatus = {
      runFailure: runFailureIn(object.status),
      ...(lastRunTime === undefined ? {} : { lastRunMs: Date.parse(lastRunTime) }),
      ...(firing === undefined ? {} : { firedMs: Date.parse(firing.time) }),
      ...(lastFailures === undefined ? {} : { failures: lastFailures }),
    };
    if (object.metadata.deletionTimestamp !== undefined || this.options.isElsewhere?.(object))
      this.engine.removePolicy(object.metadata.uid);
    else this.engine.setPolicy(toPolicy(object, nowMs), nowMs, known);
  }

  private setPod(object: PodObject, nowMs: number, old?: PodObject): void {
    const { pod, requestedAt, isDeleted, isSandbox } = object;
    if (isDeleted || isSandbox) return this.engine.removePod(pod.uid);
    if (requestedAt !== undefined && requestedAt !== old?.requestedAt && requestMs(requestedAt) === undefined)
      this.options.report.invalidRequest({ apiVersion: "v1", kind: "Pod", ...object.metadata }, requestedAt);
    const requests = [requestMs(requestedAt), requestMs(this.requestOfOwner(object))];
    const requestedMs = Math.max(...requests.map((timeMs) => timeMs ?? Number.NEGATIVE_INFINITY));
    const crossings = this.crossingsOf(pod);
    const more = {
      ...(Number.isFinite(requestedMs) ? { requestedMs } : {}),
      ...(crossings && { crossings }),
    };
    // Most pods have neither: a copy of each would need as much memory as the cache.
    this.engine.setPod(Object.keys(more).length === 0 ? pod : { ...pod, ...more }, nowMs);
  }

  /** Returns the crossings that the pod's own node reports. */
  private crossingsOf({ uid, nodeName }: PodObject["pod"]): Readonly<Record<string, number>> | undefined {
    if (nodeName === undefined) return undefined;
    const { caches, watchNamespace } = this.options;
    return caches.memoryWatches.get(`${watchNamespace}/${watchName(nodeName)}`)?.crossings.get(uid);
  }

  private requestOfOwner({ pod, ownerUID }: PodObject): string | undefined {
    if (ownerUID === undefined || pod.owner === undefined) return undefined;
    const key = `${pod.namespace}/${pod.owner.replicaSet ?? pod.owner.name}`;
    for (const objects of this.options.caches.workloads) {
      const owner = objects.get(key);
      if (owner?.metadata.uid === ownerUID) return owner.requestedAt;
    }
    return undefined;
  }

  private notify(uid: string): void {
    const key = this.engine.keyOf(uid);
    if (key !== undefined) this.options.changed(key);
  }
}
