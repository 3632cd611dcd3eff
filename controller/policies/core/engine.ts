import type { Steps } from "../../../kube";
import { doneBefore, historyOf } from "./history";
import { DueHeap } from "./due-heap";
import { checkpointName } from "./hash";
import { limitOf } from "./limits";
import { Once } from "./once";
import type { EngineOptions } from "./options";
import { failureOf, type Outcome, type PolicyView } from "./outcome";
import { Pods } from "./pods";
import { PolicyRegistry } from "./policy-registry";
import { PolicyRuns, type RunEnd } from "./policy-runs";
import { PolicyState, type KnownStatus } from "./policy-state";
import { Slots } from "./slots";
import type { CheckpointFact, Policy, PolicyPod, PolicyRun, Run } from "./types";
import { Waiting } from "./waiting";
import { Watches } from "./watches";

export const podKey = ({ namespace, name }: Pick<PolicyPod, "namespace" | "name">) => `${namespace}/${name}`;

/**
 * Decides which pods are checkpointed, and when. It reads no clock and sends no request: the caller passes the time and what
 * changed, and starts what `advance` returns. The Checkpoints are the only memory, so that a new leader continues.
 */
export class PolicyEngine {
  private readonly policies = new PolicyRegistry();
  private readonly pods = new Pods();
  private readonly namespaces = new Map<string, Readonly<Record<string, string>>>();
  /** When the first pod of each policy is due. */
  private readonly due = new DueHeap();
  private readonly slots = new Slots();
  private readonly waiting = new Waiting();
  private readonly once: Once;
  /** What must be watched on the nodes. */
  readonly watches = new Watches();
  private readonly changed = new Set<string>();
  /** Runs that became due since the last `advance` and to which no limits apply. */
  private readonly immediate: Run[] = [];
  private readonly policyRuns = new PolicyRuns();
  private started = false;

  constructor(private readonly options: EngineOptions) {
    this.once = new Once(this.slots, options.checkpointAt);
  }

  /** Returns when `advance` must be called next, unless something changes. Undefined: never. */
  get nextMs(): number | undefined {
    const times = [this.due.firstMs, this.waiting.firstMs, this.slots.firstExpiryMs].filter(
      (time) => time !== undefined,
    );
    return times.length === 0 ? undefined : Math.min(...times);
  }

  /**
   * Evaluates all policies, in steps of one policy. Until then, changes of pods are only stored for it: a leader starts with what exists.
   * Everything may change between the steps.
   */
  *starting(now: () => number): Steps<void> {
    for (const state of this.policies.all()) {
      this.match(state, now());
      yield;
    }
    this.started = true;
  }

  /** Adds a policy, or replaces it by another generation. `known`: what its status says. */
  setPolicy(policy: Policy, nowMs: number, known: KnownStatus = {}): void {
    const old = this.policies.get(policy.uid);
    if (old?.policy.generation === policy.generation) {
      if (old.fire(known.firedMs, (uid) => this.pods.get(uid))) this.refresh(old);
      return;
    }
    if (old) this.removePolicy(policy.uid);
    const sinceMs = old ? nowMs : policy.sinceMs;
    const state = new PolicyState({ ...policy, sinceMs }, this.options, this.watches, old ?? known);
    state.fire(known.firedMs, () => undefined);
    this.policies.add(state);
    this.changed.add(policy.uid);
    if (this.started) this.match(state, nowMs);
  }

  removePolicy(uid: string): void {
    if (!this.policies.remove(uid)) return;
    this.due.delete(uid);
    this.waiting.removePolicy(uid);
    this.watches.removePolicy(uid);
  }

  setNamespace(name: string, labels: Readonly<Record<string, string>>, nowMs: number): void {
    this.namespaces.set(name, labels);
    for (const pod of this.pods.of(name))
      for (const state of this.policies.in("")) this.place(state, pod, nowMs, false);
  }

  removeNamespace(name: string): void {
    this.namespaces.delete(name);
  }

  setPod(pod: PolicyPod, nowMs: number): void {
    const isNew = this.pods.set(pod);
    for (const state of this.policies.for(pod.namespace)) this.place(state, pod, nowMs, isNew);
  }

  removePod(uid: string): void {
    const pod = this.pods.remove(uid);
    if (!pod) return;
    for (const state of this.policies.for(pod.namespace)) if (state.remove(uid)) this.refresh(state);
  }

  /** Records a Checkpoint of any client. */
  setCheckpoint(fact: CheckpointFact): void {
    const wasOpen = this.slots.has(fact.key);
    const pod = this.slots.set(fact);
    if (pod !== undefined) this.waiting.free(pod);
    if (fact.state !== "open")
      for (const followed of this.policies.following(this.pods.get(fact.podUID ?? "")))
        this.refresh(followed);
    const state = fact.policyUID === undefined ? undefined : this.policies.get(fact.policyUID);
    if (!state?.isEvaluated) return;
    this.changed.add(state.policy.uid);
    if (wasOpen && fact.state === "failed")
      this.failure(state, fact.pod, fact.endedMs ?? fact.createdMs, fact);
  }

  removeCheckpoint(key: string, policyUID?: string): void {
    const pod = this.slots.delete(key);
    if (pod !== undefined) this.waiting.free(pod);
    if (policyUID !== undefined && this.policies.get(policyUID)) this.changed.add(policyUID);
  }

  /** Records that a run that `advance` returned could not be executed. */
  failRun(run: Run, nowMs: number, reason: string, message: string): void {
    this.fail(run.policy.uid, podKey(run.pod), nowMs, { reason, message });
    this.removeCheckpoint(run.key, run.policy.uid);
  }

  /** Records a failure of a policy. `pod` is its `namespace/name`. */
  fail(
    policyUID: string,
    pod: string,
    nowMs: number,
    why: { readonly reason: string; readonly message: string },
  ): void {
    const state = this.policies.get(policyUID);
    if (state) this.failure(state, pod, nowMs, why);
  }

  /** Records that the run of a policy has ended. */
  endPolicyRun(run: PolicyRun, end: RunEnd): void {
    this.policyRuns.end(run, end, this.policies.get(run.policy.uid));
    this.changed.add(run.policy.uid);
  }

  /** Records that the status of policies as a whole may have changed: of those that select from the namespace. */
  touchPolicies(namespace: string): void {
    for (const { subject, policy } of this.policies.for(namespace))
      if (subject.of === "policy") this.changed.add(policy.uid);
  }

  /** Returns a policy. */
  policy(uid: string): Policy | undefined {
    return this.policies.get(uid)?.policy;
  }

  /** Returns whether the policy is in force as it was given: no other generation, neither suspended, invalid nor removed. */
  isCurrent({ uid, generation }: Pick<Policy, "uid" | "generation">): boolean {
    const state = this.policies.get(uid);
    return state?.policy.generation === generation && state.isActive;
  }

  /** Returns the runs of policies that became due since the last call. The caller must execute them, and end each. */
  takePolicyRuns(): readonly PolicyRun[] {
    return this.policyRuns.take();
  }

  /** Records that a run that `advance` returned may be executed again at a time, unless its deadline has passed by then. */
  retryRun(run: Run, atMs: number, cause: string): void {
    // The cache has its Checkpoint: it was created, although the response was lost.
    if (!this.slots.isUnconfirmed(run.key)) return;
    this.removeCheckpoint(run.key, run.policy.uid);
    if (!this.policies.get(run.policy.uid)?.isActive) return;
    this.waiting.add(run);
    this.waiting.delay(run, atMs, cause);
  }

  /** Processes what is due. @returns what the caller must start now, besides `takePolicyRuns` */
  advance(nowMs: number): readonly Run[] {
    for (let uid = this.due.firstDue(nowMs); uid !== undefined; uid = this.due.firstDue(nowMs)) {
      const state = this.policies.get(uid);
      if (state) this.tick(state, nowMs);
      else this.due.delete(uid);
    }
    for (const pod of this.slots.expire(nowMs)) this.waiting.free(pod);
    this.waiting.wake(nowMs);
    for (const { run, cause } of this.waiting.expire(nowMs)) this.miss(run, cause, nowMs);
    return [...this.immediate.splice(0), ...this.dispatch(nowMs)];
  }

  view(uid: string): PolicyView | undefined {
    const state = this.policies.get(uid);
    if (!state) return undefined;
    const unwatched = this.watches.unwatched(uid);
    return {
      ...state.view,
      ...(unwatched && { unwatched }),
      inFlight: this.slots.ofPolicy(uid),
      waiting: this.waiting.ofPolicy(uid),
    };
  }

  /** Returns the numbers of all policies together. */
  get totals(): { readonly policies: number; readonly inFlight: number; readonly waiting: number } {
    return { policies: this.policies.size, inFlight: this.slots.total, waiting: this.waiting.size };
  }

  /** Returns `namespace/name` of a policy, or `name` of a cluster-scoped one. */
  keyOf(uid: string): string | undefined {
    return this.policies.keyOf(uid);
  }

  /** Returns the UIDs of the policies whose view changed since the last call. */
  takeChanged(): readonly string[] {
    const changed = [...this.changed];
    this.changed.clear();
    return changed;
  }

  private tick(state: PolicyState, nowMs: number): void {
    if (state.subject.of === "policy") return this.tickPolicy(state, nowMs);
    const { first, firstMs: dueMs } = state.queue;
    const pod = first === undefined ? undefined : this.pods.get(first);
    if (pod === undefined || dueMs === undefined) {
      if (first !== undefined) state.delete(first);
      return this.refresh(state);
    }
    state.done(pod, dueMs, nowMs);
    this.refresh(state);
    const { policy } = state;
    const context = this.contextOf(pod, nowMs);
    if (!state.matches(pod, context, true)) return this.report("filtered", state, pod, dueMs);
    const once = state.onceOf(pod);
    const name = once
      ? this.once.nameFor(policy.uid, pod.namespace, once)
      : checkpointName(policy.uid, pod.uid, pod.name, dueMs);
    if (name === undefined) return this.report("covered", state, pod, dueMs);
    const deadlineMs = dueMs + (policy.spec.deadlineSeconds ?? 0) * 1000;
    const run = { policy, pod, dueMs, deadlineMs, key: `${pod.namespace}/${name}` };
    if (!state.subject.isImmediate) return this.waiting.add(run);
    if (deadlineMs <= nowMs) return this.miss(run, "it became known later", nowMs);
    this.immediate.push(run);
    state.lastRunMs = nowMs;
    this.report("started", state, pod, dueMs);
  }

  private tickPolicy(state: PolicyState, nowMs: number): void {
    const { policy, triggerName, queue } = state;
    const dueMs = queue.firstMs ?? nowMs;
    state.done(undefined, dueMs, nowMs);
    this.refresh(state);
    const outcome = this.policyRuns.start(state, dueMs, nowMs) ? "started" : "covered";
    this.options.report?.(outcome, triggerName, { policy, dueMs });
  }

  private dispatch(nowMs: number): Run[] {
    const runs: Run[] = [];
    this.waiting.each((run) => {
      const state = this.policies.get(run.policy.uid);
      const pod = this.pods.get(run.pod.uid);
      if (!state?.isActive || !pod || !state.has(pod.uid)) {
        this.waiting.remove(run);
        if (state && pod) this.report("filtered", state, pod, run.dueMs);
        return "next";
      }
      const limit = limitOf(state, run, this.slots, this.options, nowMs);
      if (limit) {
        this.waiting.note(run, limit.cause);
        return limit.visit;
      }
      if (this.admit(state, run, nowMs)) {
        this.waiting.remove(run);
        this.slots.start(run, nowMs);
        state.lastRunMs = nowMs;
        this.report("started", state, pod, run.dueMs);
        runs.push({ ...run, pod });
      }
      return "next";
    });
    return runs;
  }

  /** Decides by the pod's Checkpoints. A run that may not start is parked, delayed or removed. */
  private admit(state: PolicyState, run: Run, nowMs: number): boolean {
    const { policy, pod, dueMs } = run;
    if (state.subject.withoutCheckpoint) return true;
    // Another pod got the one Checkpoint while this one waited.
    const once = state.onceOf(pod);
    if (once && (this.once.isTaken(run.key) || !this.once.nameFor(policy.uid, pod.namespace, once))) {
      this.leave("covered", state, run);
      return false;
    }
    const key = podKey(pod);
    const facts = this.options.checkpointsOf(key);
    const { open, newest, failure, failures, blockedUntilMs = 0 } = historyOf(facts, pod.uid);
    if (open !== undefined || this.slots.isBusy(key)) {
      this.waiting.park(run, key, `Checkpoint ${open?.key ?? `of pod ${key}`} of the pod has not ended`);
      return false;
    }
    if (state.subject.withoutSpacing) return true;
    const freeMs = (newest?.createdMs ?? 0) + (policy.spec.minSpacingSeconds ?? 0) * 1000;
    if (newest && freeMs > nowMs) {
      // A request is for the state at its time, which an earlier Checkpoint does not have.
      const isCovered =
        newest.state === "completed" &&
        newest.podUID === pod.uid &&
        !state.subject.needsOwn &&
        newest.policyUID !== policy.uid &&
        (!state.isRequest || newest.createdMs >= dueMs);
      if (!isCovered)
        this.waiting.delay(run, freeMs, "minSpacingSeconds since the pod's last Checkpoint has not passed");
      else this.leave("covered", state, run);
      return false;
    }
    if (failure && blockedUntilMs > nowMs) {
      this.leave("backoff", state, run);
      const until = new Date(blockedUntilMs).toISOString();
      const message = `${failures} failed in a row; not due again before ${until}. The last one: ${failure.message ?? failure.key}`;
      this.failure(state, key, dueMs, { reason: failure.reason ?? "CheckpointFailed", message });
      return false;
    }
    return true;
  }

  private leave(outcome: Outcome, state: PolicyState, run: Run): void {
    this.waiting.remove(run);
    this.report(outcome, state, run.pod, run.dueMs);
  }

  private miss(run: Run, cause: string, nowMs: number): void {
    const state = this.policies.get(run.policy.uid);
    if (!state) return;
    this.report("missed", state, run.pod, run.dueMs);
    const message = `due at ${new Date(run.dueMs).toISOString()} and not started within deadlineSeconds (${run.policy.spec.deadlineSeconds}): ${cause}`;
    this.failure(state, podKey(run.pod), nowMs, { reason: "DeadlineExceeded", message });
  }

  private report(outcome: Outcome, state: PolicyState, pod: PolicyPod, dueMs: number): void {
    this.changed.add(state.policy.uid);
    this.options.report?.(outcome, state.triggerName, { policy: state.policy, pod, dueMs });
  }

  private failure(
    state: PolicyState,
    pod: string,
    timeMs: number,
    why: Pick<CheckpointFact, "reason" | "message">,
  ): void {
    const failure = failureOf(pod, timeMs, why);
    state.fail(failure);
    this.changed.add(state.policy.uid);
    this.options.failed?.(state.policy, failure);
  }

  private match(state: PolicyState, nowMs: number): void {
    const { namespace } = state.policy;
    state.isEvaluated = true;
    if (state.subject.of === "policy") {
      this.policyRuns.place(state, nowMs, !this.started);
      return this.refresh(state);
    }
    for (const pod of this.pods.of(namespace)) this.place(state, pod, nowMs, !this.started);
    this.refresh(state);
  }

  /** Adds the pod to the policy, updates or removes it. @param catchUp whether what was due before is still due */
  private place(state: PolicyState, pod: PolicyPod, nowMs: number, catchUp: boolean): void {
    const { policy, isRequest, filterErrors } = state;
    if (state.subject.of === "policy" || !state.isEvaluated) return;
    const errorBefore = filterErrors.get(pod.uid);
    const matches = state.isActive && state.matches(pod, this.contextOf(pod, nowMs), false);
    if (filterErrors.get(pod.uid) !== errorBefore) this.changed.add(policy.uid);
    if (!matches) {
      if (state.delete(pod.uid)) this.refresh(state);
      return;
    }
    state.set(pod, () =>
      doneBefore(state, pod, this.options.checkpointsOf(podKey(pod)), nowMs, catchUp || isRequest),
    );
    this.refresh(state);
  }

  private refresh(state: PolicyState): void {
    this.due.set(state.policy.uid, state.queue.firstMs);
    this.changed.add(state.policy.uid);
  }

  private contextOf(pod: PolicyPod, nowMs: number) {
    return { nowMs, namespaceLabels: this.namespaces.get(pod.namespace) ?? {} };
  }
}
