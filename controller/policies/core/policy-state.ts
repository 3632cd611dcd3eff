import type { PolicyFailure } from "../../../api";
import { MAX_FAILURES } from "../../../api";
import { DueHeap } from "./due-heap";
import {
  entryOf,
  type ActionSubject,
  type Filter,
  type FilterContext,
  type OnceSubject,
  type Policy,
  type PolicyPod,
  type Trigger,
} from "./types";

/** The tables that policies refer to. */
export interface Tables {
  readonly triggers: Readonly<Record<string, Trigger>>;
  readonly filters: Readonly<Record<string, Filter>>;
  /** Default: actions are not checked, and all of them create Checkpoints of pods. */
  readonly actions?: Readonly<Record<string, ActionSubject>>;
}

/** What the status of a policy says. */
export interface KnownStatus {
  readonly lastRunMs?: number;
  /** When a request to the policy was accepted last. */
  readonly firedMs?: number;
  readonly failures?: readonly PolicyFailure[];
}

interface Bound<T> {
  readonly entry: T;
  readonly settings: never;
}

/** A policy with the subjects of its action, and when each is due: the pods that match it, or the policy as a whole. */
export class PolicyState {
  /** When each subject is due, by the UID of the pod or policy. */
  readonly queue = new DueHeap();
  /** The name of its trigger. */
  readonly triggerName: string;
  /** Why it can never be due. */
  readonly problem?: string;
  /** What its action is executed for. */
  readonly subject: ActionSubject;
  lastRunMs?: number;
  /** When a request to the policy was accepted last. */
  firedMs?: number;
  failures: readonly PolicyFailure[];
  /** The subjects, and until when each is done. */
  private readonly doneMs = new Map<string, number>();
  private readonly trigger?: Bound<Trigger>;
  private readonly filters: readonly Bound<Filter>[];

  constructor(
    readonly policy: Policy,
    { triggers, filters, actions }: Tables,
    { lastRunMs, firedMs, failures = [] }: KnownStatus = {},
  ) {
    if (lastRunMs !== undefined) this.lastRunMs = lastRunMs;
    if (firedMs !== undefined) this.firedMs = firedMs;
    this.failures = failures;
    const { trigger, filter = {}, action } = policy.spec;
    const acts = actions && entryOf(actions, action);
    this.subject = acts?.entry ?? {};
    const found = entryOf(triggers, trigger);
    this.triggerName = found?.name ?? "none";
    if (found) this.trigger = found;
    const unknown = Object.keys(filter).filter((name) => !Object.hasOwn(filters, name));
    // A condition that is not known cannot be left out: more pods would match.
    if (unknown.length > 0) this.problem = `this controller does not have the filter ${unknown.join(", ")}`;
    else if (actions && !acts)
      this.problem = `this controller does not have the action ${Object.keys(action).join(", ")}; install.policies.actions enables: ${Object.keys(actions).join(", ")}`;
    else if (!found)
      this.problem = `this controller does not have the trigger ${Object.keys(trigger).join(", ")}`;
    else {
      const problem =
        found.entry.problem?.(found.settings) ??
        (this.subject.of === "policy" ? policyProblem(found, filter, filters) : undefined);
      if (problem !== undefined) this.problem = problem;
    }
    const given = filter as Readonly<Record<string, unknown>>;
    this.filters = Object.entries(filters).flatMap(([name, entry]) => {
      const settings = given[name] ?? entry.unset;
      return settings === undefined ? [] : [{ entry, settings: settings as never }];
    });
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

  /** Checks the filters: those that change with time, or the others. */
  matches(pod: PolicyPod, context: FilterContext, timed: boolean): boolean {
    return this.filters.every(
      ({ entry, settings }) => (entry.timed ?? false) !== timed || entry.matches(settings, pod, context),
    );
  }

  /** Adds a pod that matches, or updates it. @param doneMs until when a new one is done */
  set(pod: PolicyPod, doneMs: () => number): void {
    this.setDone(this.doneMs.get(pod.uid) ?? doneMs(), pod);
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

  delete(podUID: string): boolean {
    this.queue.delete(podUID);
    return this.doneMs.delete(podUID);
  }

  /** Marks what was due as done, and schedules the next. */
  done(pod: PolicyPod | undefined, dueMs: number, nowMs: number): void {
    this.setDone(this.trigger?.entry.done(dueMs, nowMs) ?? nowMs, pod);
  }

  fail(failure: PolicyFailure): void {
    this.failures = [failure, ...this.failures].slice(0, MAX_FAILURES);
  }

  /** Sets until when a subject is done, and schedules its next time. @param pod undefined: the policy */
  private setDone(doneMs: number, pod?: PolicyPod): void {
    const { entry, settings } = this.trigger ?? {};
    const { firedMs, policy } = this;
    const subjectUID = pod?.uid ?? policy.uid;
    this.doneMs.set(subjectUID, doneMs);
    const context = { policyUID: policy.uid, ...(firedMs === undefined ? {} : { firedMs }) };
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
