import type { PolicyFailure, PolicyReason } from "../../../api";
import { MAX_FAILURES } from "../../../api";
import { DueHeap } from "./due-heap";
import {
  entryOf,
  type ActionSubject,
  type CheckpointFact,
  type Filter,
  type FilterContext,
  type OnceSubject,
  type Policy,
  type PolicyPod,
  type Trigger,
} from "./types";
import type { Watches } from "./watches";

/** The tables that policies refer to. */
export interface Tables {
  readonly triggers: Readonly<Record<string, Trigger>>;
  readonly filters: Readonly<Record<string, Filter>>;
  /** Default: actions are not checked, and all of them create Checkpoints of pods. */
  readonly actions?: Readonly<Record<string, ActionSubject>>;
  /** Returns all Checkpoints of a pod's `namespace/name`. Default: triggers do not follow Checkpoints. */
  readonly checkpointsOf?: (pod: string) => readonly CheckpointFact[];
}

/** What the status of a policy says. */
export interface KnownStatus {
  readonly lastRunMs?: number;
  /** When a request to the policy was accepted last. */
  readonly firedMs?: number;
  readonly failures?: readonly PolicyFailure[];
  /** Why the last run of the policy as a whole did not do all that it should. */
  readonly runFailure?: string | undefined;
}

interface Bound<T> {
  readonly entry: T;
  readonly settings: never;
}

/** Why a policy does nothing. */
export interface PolicyProblem {
  readonly reason: Extract<PolicyReason, "InvalidTrigger" | "InvalidFilter" | "InvalidAction">;
  readonly message: string;
}

/** A policy with the subjects of its action, and when each is due: the pods that match it, or the policy as a whole. */
export class PolicyState {
  /** When each subject is due, by the UID of the pod or policy. */
  readonly queue = new DueHeap();
  /** The name of its trigger. */
  readonly triggerName: string;
  /** Why it does nothing. */
  readonly problem?: PolicyProblem;
  /** Pods for which the filters cannot be evaluated, by UID, with the reason. */
  readonly filterErrors = new Map<string, string>();
  /** What its action is executed for. */
  readonly subject: ActionSubject;
  /** Whether the pods that exist were evaluated: from then on, each that changes is. */
  isEvaluated = false;
  lastRunMs?: number;
  /** When a request to the policy was accepted last. */
  firedMs?: number;
  failures: readonly PolicyFailure[];
  /** Why the last run of the policy as a whole did not do all that it should. */
  runFailure?: string | undefined;
  /** The subjects, and until when each is done. */
  private readonly doneMs = new Map<string, number>();
  private readonly trigger?: Bound<Trigger>;
  private readonly filters: readonly Bound<Filter>[];
  private readonly checkpointsOf: Tables["checkpointsOf"];

  constructor(
    readonly policy: Policy,
    { triggers, filters, actions, checkpointsOf }: Tables,
    private readonly watches: Watches,
    { lastRunMs, firedMs, failures = [], runFailure }: KnownStatus = {},
  ) {
    if (lastRunMs !== undefined) this.lastRunMs = lastRunMs;
    if (firedMs !== undefined) this.firedMs = firedMs;
    this.failures = failures;
    this.checkpointsOf = checkpointsOf;
    const { trigger, filter = {}, action } = policy.spec;
    const acts = actions && entryOf(actions, action);
    this.subject = acts?.entry ?? {};
    if (this.subject.of === "policy") this.runFailure = runFailure;
    const found = entryOf(triggers, trigger);
    this.triggerName = found?.name ?? "none";
    if (found) this.trigger = found;
    const unknown = Object.keys(filter).filter((name) => !Object.hasOwn(filters, name));
    const given = filter as Readonly<Record<string, unknown>>;
    this.filters = Object.entries(filters).flatMap(([name, entry]) => {
      const settings = given[name] ?? entry.unset;
      return settings === undefined ? [] : [{ entry, settings: settings as never }];
    });
    const ofAction =
      actions && !acts
        ? `this controller does not have the action ${Object.keys(action).join(", ")}; install.policies enables: ${Object.keys(actions).join(", ")}`
        : acts?.entry.problem?.(acts.settings);
    const ofTrigger = found
      ? (found.entry.problem?.(found.settings) ??
        (this.subject.of === "policy" ? policyProblem(found, filter, filters) : undefined))
      : `this controller does not have the trigger ${Object.keys(trigger).join(", ")}`;
    const [ofFilter] =
      // A condition that is not known cannot be left out: more pods would match.
      unknown.length > 0
        ? [`this controller does not have the filter ${unknown.join(", ")}`]
        : this.filters.flatMap(({ entry, settings }) => entry.problem?.(settings) ?? []);
    if (ofFilter !== undefined) this.problem = { reason: "InvalidFilter", message: ofFilter };
    else if (ofAction !== undefined) this.problem = { reason: "InvalidAction", message: ofAction };
    else if (ofTrigger !== undefined) this.problem = { reason: "InvalidTrigger", message: ofTrigger };
  }

  /** What its status has, apart from what depends on other policies. */
  get view() {
    const { problem, matchedPods, isWatching, lastRunMs, failures, runFailure, queue, filterErrors } = this;
    const [example] = filterErrors.values();
    return {
      ...(problem === undefined ? {} : { problem }),
      subject: this.subject.of === "policy" ? ("policy" as const) : ("pod" as const),
      matchedPods,
      isWatching,
      ...(queue.firstMs === undefined ? {} : { nextRunMs: queue.firstMs }),
      ...(lastRunMs === undefined ? {} : { lastRunMs }),
      failures,
      ...(runFailure === undefined ? {} : { runFailure }),
      ...(example === undefined ? {} : { filterErrors: { count: filterErrors.size, example } }),
    };
  }

  /** Whether it does anything. */
  get isActive(): boolean {
    return this.problem === undefined && this.policy.spec.suspend !== true;
  }

  get isRequest(): boolean {
    return this.trigger?.entry.isRequest ?? false;
  }

  /** Returns for what the pod's trigger is due once; undefined: for each time. */
  onceOf(pod: PolicyPod): OnceSubject | undefined {
    const { entry, settings } = this.trigger ?? {};
    return entry?.once?.(settings as never, pod);
  }

  get matchedPods(): number {
    return this.doneMs.size;
  }

  has(podUID: string): boolean {
    return this.doneMs.has(podUID);
  }

  /** Checks the filters: those that change with time, or the others. A pod for which one cannot be evaluated does not match. */
  matches(pod: PolicyPod, context: FilterContext, timed: boolean): boolean {
    const isSubject = (pod.isSuspendedWorkload ?? false) === (this.subject.of === "suspendedWorkload");
    if (!isSubject) return false;
    try {
      const matches = this.filters.every(
        ({ entry, settings }) => (entry.timed ?? false) !== timed || entry.matches(settings, pod, context),
      );
      this.filterErrors.delete(pod.uid);
      return matches;
    } catch (error) {
      const cause = error instanceof Error ? error.message.split("\n", 1)[0] : String(error);
      this.filterErrors.set(pod.uid, `pod ${pod.namespace}/${pod.name}: ${cause}`);
      return false;
    }
  }

  /** Adds a pod that matches, or updates it. @param doneMs until when a new one is done */
  set(pod: PolicyPod, doneMs: () => number): void {
    this.setDone(this.doneMs.get(pod.uid) ?? doneMs(), pod);
    this.watch(pod);
  }

  /** Makes the policy the subject. @param doneMs until when it is done */
  setSelf(doneMs: number): void {
    this.setDone(doneMs);
  }

  /**
   * Records when a request to the policy was accepted last, and schedules its pods.
   * @param podOf returns a pod by its UID
   * @returns whether it was another request
   */
  fire(timeMs: number | undefined, podOf: (uid: string) => PolicyPod | undefined): boolean {
    if (timeMs === undefined || timeMs === this.firedMs) return false;
    this.firedMs = timeMs;
    for (const [uid, doneMs] of this.doneMs) {
      const pod = podOf(uid);
      if (pod) this.setDone(doneMs, pod);
    }
    return true;
  }

  /** Schedules a pod again, if it matches and the trigger follows its Checkpoints. @returns whether it does */
  checkpointEnded(pod: PolicyPod): boolean {
    const doneMs = this.trigger?.entry.followsCheckpoints ? this.doneMs.get(pod.uid) : undefined;
    if (doneMs === undefined) return false;
    this.setDone(doneMs, pod);
    return true;
  }

  /** Removes a pod that does not match any longer. @returns whether it matched */
  delete(podUID: string): boolean {
    // Most policies do not match most pods.
    if (!this.doneMs.delete(podUID)) return false;
    if (this.isWatching) this.watches.delete(this.policy.uid, podUID);
    this.queue.delete(podUID);
    return true;
  }

  /** Marks what was due as done, and schedules the next. */
  done(pod: PolicyPod | undefined, dueMs: number, nowMs: number): void {
    this.setDone(this.trigger?.entry.done(dueMs, nowMs) ?? nowMs, pod);
  }

  /** Removes a pod that does not exist any longer. @returns whether it matched, or its filters failed */
  remove(podUID: string): boolean {
    const hadError = this.filterErrors.delete(podUID);
    return this.delete(podUID) || hadError;
  }

  /** Whether the trigger depends on readings. */
  get isWatching(): boolean {
    return this.trigger?.entry.watch !== undefined;
  }

  private watch(pod: PolicyPod): void {
    const { entry, settings } = this.trigger ?? {};
    if (!entry?.watch || settings === undefined) return;
    const { containers } = (this.policy.spec.filter ?? {}) as { readonly containers?: readonly string[] };
    this.watches.set(this.policy.uid, settings, pod, entry.watch(settings, pod, containers));
  }

  /** Records a failure. It replaces an earlier one of the pod for the same reason: a pod that fails again and again hides no others. */
  fail(failure: PolicyFailure): void {
    const { namespace, pod, reason } = failure;
    const others = this.failures.filter(
      (one) => one.namespace !== namespace || one.pod !== pod || one.reason !== reason,
    );
    this.failures = [failure, ...others].slice(0, MAX_FAILURES);
  }

  /** Sets until when a subject is done, and schedules its next time. @param pod undefined: the policy */
  private setDone(doneMs: number, pod?: PolicyPod): void {
    const { entry, settings } = this.trigger ?? {};
    const { firedMs, policy } = this;
    const subjectUID = pod?.uid ?? policy.uid;
    this.doneMs.set(subjectUID, doneMs);
    const owner = this.subject.isTogether ? pod?.owner : undefined;
    const { checkpointsOf } = this;
    const context = {
      policyUID: policy.uid,
      ...(pod &&
        checkpointsOf &&
        entry?.followsCheckpoints && {
          checkpoints: () =>
            checkpointsOf(`${pod.namespace}/${pod.name}`).filter(({ podUID }) => podUID === pod.uid),
        }),
      ...(firedMs === undefined ? {} : { firedMs }),
      ...(pod && owner && { spreadBy: `${pod.namespace}/${owner.kind}/${owner.name}` }),
    };
    const nextMs = pod
      ? entry?.next(settings as never, { ...context, pod }, doneMs)
      : entry?.nextOfPolicy?.(settings as never, policy.uid, doneMs);
    this.queue.set(subjectUID, nextMs);
  }
}

/** Returns why trigger and filters cannot select for an action on the policy as a whole. */
function policyProblem(
  { name, entry }: { readonly name: string; readonly entry: Trigger },
  filter: object,
  filters: Tables["filters"],
): string | undefined {
  if (!entry.nextOfPolicy)
    return `the trigger ${name} is due for a pod, and the action does not work on pods`;
  const unrecorded = Object.keys(filter).filter((one) => filters[one]?.matchesRecorded === undefined);
  return unrecorded.length === 0
    ? undefined
    : `the filter ${unrecorded.join(", ")} selects no Checkpoints: they do not record it of their pods`;
}
