import type { PolicyFailure } from "../../../api";
import { MAX_FAILURES } from "../../../api";
import { DueHeap } from "./due-heap";
import {
  entryOf,
  type ActionSubject,
  type Filter,
  type FilterContext,
  type Policy,
  type PolicyPod,
  type Trigger,
} from "./types";

/** The tables that policies refer to. */
export interface Tables {
  readonly triggers: Readonly<Record<string, Trigger>>;
  readonly filters: Readonly<Record<string, Filter>>;
  readonly actions: Readonly<Record<string, ActionSubject>>;
}

interface Bound<T> {
  readonly entry: T;
  readonly settings: never;
}

/** A policy with the subjects of its action, and when each is due: the pods that match it, or the policy as a whole. */
export class PolicyState {
  /** When each subject is due, by the UID of the pod or policy. */
  readonly queue = new DueHeap();
  readonly subject: "pod" | "policy";
  /** The name of its trigger. */
  readonly triggerName: string;
  /** Why it can never be due. */
  readonly problem?: string;
  lastRunMs?: number;
  failures: readonly PolicyFailure[] = [];
  /** The subjects, and until when each is done. */
  private readonly doneMs = new Map<string, number>();
  private readonly trigger?: Bound<Trigger>;
  private readonly filters: readonly Bound<Filter>[];

  constructor(
    readonly policy: Policy,
    { triggers, filters, actions }: Tables,
  ) {
    const { trigger, filter = {}, action } = policy.spec;
    const found = entryOf(triggers, trigger);
    this.subject = entryOf(actions, action)?.entry.of ?? "pod";
    this.triggerName = found?.name ?? "none";
    if (found) this.trigger = found;
    const unknown = Object.keys(filter).filter((name) => !Object.hasOwn(filters, name));
    // A condition that is not known cannot be left out: more pods would match.
    if (unknown.length > 0) this.problem = `this controller does not have the filter ${unknown.join(", ")}`;
    else if (!found)
      this.problem = `this controller does not have the trigger ${Object.keys(trigger).join(", ")}`;
    else {
      const problem =
        found.entry.problem?.(found.settings) ??
        (this.subject === "policy" ? policyProblem(found, filter, filters) : undefined);
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
    const policyUID = this.policy.uid;
    const subjectUID = pod?.uid ?? policyUID;
    this.doneMs.set(subjectUID, doneMs);
    const nextMs = pod
      ? entry?.next(settings as never, { policyUID, pod }, doneMs)
      : entry?.nextOfPolicy?.(settings as never, policyUID, doneMs);
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
