import {
  isFinal,
  NotLeaderError,
  sleep,
  type CachedObjects,
  type Client,
  type Events,
  type Logger,
} from "../../kube";
import type { CheckpointObject } from "../checkpoints/objects";
import { podKeyOf } from "../checkpoints/reservations";
import { ActionError, type Action } from "./actions";
import { PolicyEngine, type EngineOptions, type PolicyView } from "./core/engine";
import type { KnownStatus } from "./core/policy-state";
import { entryOf, type Policy, type Run } from "./core/types";
import {
  requestMs,
  toFact,
  toPolicy,
  type NamespaceObject,
  type PodObject,
  type PolicyObject,
  type WorkloadObject,
} from "./objects";
import type { Report } from "./report";

/** Longest time between two looks at the clock, which may be set. */
const MAX_SLEEP_MS = 60_000;
/** Delay after a request that was not executed. */
const RETRY_MS = 5000;

/** Objects that policies depend on. */
export interface PolicyCaches {
  readonly policies: readonly CachedObjects<PolicyObject>[];
  readonly pods: CachedObjects<PodObject>;
  /** Suspended workloads, as pods. Empty if no action needs them. */
  readonly suspended: readonly CachedObjects<PodObject>[];
  readonly namespaces: CachedObjects<NamespaceObject>;
  readonly checkpoints: CachedObjects<CheckpointObject>;
  readonly workloads: readonly CachedObjects<WorkloadObject>[];
}

export interface DriverOptions extends Omit<EngineOptions, "checkpointsOf" | "report" | "failed"> {
  readonly caches: PolicyCaches;
  readonly actions: Readonly<Record<string, Action>>;
  readonly client: Client;
  readonly events: Events;
  readonly log: Logger;
  /** Called with the key of each policy whose status changed. */
  readonly changed: (key: string) => void;
}

/** Connects the policy engine to the cluster and the clock. It works on the leader only. */
export class PolicyDriver {
  private readonly engine: PolicyEngine;
  private readonly checkpointsOf: (pod: string) => readonly CheckpointObject[];
  private readonly podsOf: (owner: string) => readonly PodObject[];
  private readonly work = new Set<Promise<void>>();
  private wake = () => {};
  report?: Report;

  constructor(private readonly options: DriverOptions) {
    const { caches } = options;
    this.checkpointsOf = caches.checkpoints.index((object) => [podKeyOf(object)]);
    this.podsOf = caches.pods.index(({ ownerUID }) => (ownerUID === undefined ? [] : [ownerUID]));
    this.engine = new PolicyEngine({
      ...options,
      checkpointsOf: (pod) => this.checkpointsOf(pod).map(toFact),
      report: (outcome, trigger, run) => this.report?.outcome(outcome, trigger, run, Date.now()),
      failed: (policy, failure) => this.report?.failed(policy, failure),
    });
  }

  view(uid: string): PolicyView | undefined {
    return this.engine.view(uid);
  }

  /** Records a failure of a policy. `pod` is its `namespace/name`. */
  fail(policy: Policy, pod: string, reason: string, message: string): void {
    this.engine.fail(policy.uid, pod, Date.now(), { reason, message });
    this.wake();
  }

  get totals() {
    return this.engine.totals;
  }

  /** Reads what the caches have, and follows their changes. */
  start(): void {
    const { policies, pods, suspended, namespaces, checkpoints, workloads } = this.options.caches;
    const nowMs = Date.now();
    for (const one of namespaces.list()) this.engine.setNamespace(one.metadata.name, one.labels, nowMs);
    for (const objects of policies) for (const one of objects.list()) this.setPolicy(one, nowMs);
    for (const objects of [pods, ...suspended]) for (const one of objects.list()) this.setPod(one, nowMs);
    for (const one of checkpoints.list()) this.engine.setCheckpoint(toFact(one));
    this.engine.start(nowMs);

    namespaces.onChange(({ old, new: now }) => {
      if (now) this.engine.setNamespace(now.metadata.name, now.labels, Date.now());
      else if (old) this.engine.removeNamespace(old.metadata.name);
      this.wake();
    });
    for (const objects of policies) {
      objects.onChange(({ old, new: now }) => {
        if (now) this.setPolicy(now, Date.now());
        else if (old) this.engine.removePolicy(old.metadata.uid);
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
      this.wake();
    });
    for (const objects of workloads) {
      objects.onChange(({ old, new: now }) => {
        if (now === undefined || now.requestedAt === old?.requestedAt) return;
        for (const pod of this.podsOf(now.metadata.uid)) this.setPod(pod, Date.now(), pod);
        this.wake();
      });
    }
  }

  /** Starts what is due, until the signal. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const woken = new AbortController();
      const stop = () => woken.abort();
      this.wake = stop;
      signal.addEventListener("abort", stop, { once: true });
      for (const run of this.engine.advance(Date.now())) this.track(this.execute(run, signal));
      for (const uid of this.engine.takeChanged()) this.notify(uid);
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
    const { actions, client, events, log, caches } = this.options;
    const { namespace } = run.pod;
    const found = entryOf(actions, run.policy.spec.action);
    const fail = (reason: string, message: string) => this.engine.failRun(run, Date.now(), reason, message);
    try {
      // Without the Checkpoints and pods of the namespace, nothing is known about the pod.
      const denied = caches.checkpoints.deniedIn(namespace) ?? caches.pods.deniedIn(namespace);
      if (denied) return fail("ListDenied", denied.message);
      if (!found) {
        const names = Object.keys(run.policy.spec.action).join(", ");
        return fail("UnknownAction", `this controller does not have the action ${names}`);
      }
      const state = await found.entry.execute(found.settings, run, { client, events, signal });
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

  private setPolicy(object: PolicyObject, nowMs: number): void {
    const { lastRunTime, lastFailures, firings: [firing] = [] } = object.status;
    const known: KnownStatus = {
      ...(lastRunTime === undefined ? {} : { lastRunMs: Date.parse(lastRunTime) }),
      ...(firing === undefined ? {} : { firedMs: Date.parse(firing.time) }),
      ...(lastFailures === undefined ? {} : { failures: lastFailures }),
    };
    if (object.metadata.deletionTimestamp !== undefined) this.engine.removePolicy(object.metadata.uid);
    else this.engine.setPolicy(toPolicy(object, nowMs), nowMs, known);
  }

  private setPod(object: PodObject, nowMs: number, old?: PodObject): void {
    const { pod, requestedAt, isDeleted } = object;
    if (isDeleted) return this.engine.removePod(pod.uid);
    if (requestedAt !== undefined && requestedAt !== old?.requestedAt && requestMs(requestedAt) === undefined)
      this.report?.invalidRequest(pod, requestedAt);
    const requests = [requestMs(requestedAt), requestMs(this.requestOfOwner(object))];
    const requestedMs = Math.max(...requests.map((timeMs) => timeMs ?? Number.NEGATIVE_INFINITY));
    this.engine.setPod({ ...pod, ...(Number.isFinite(requestedMs) ? { requestedMs } : {}) }, nowMs);
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
