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

/** State of a policy for its status. */
export interface PolicyView {
  readonly problem?: string;
  readonly matchedPods: number;
  readonly inFlight: number;
  readonly waiting: number;
  readonly nextRunMs?: number;
  readonly lastRunMs?: number;
  readonly failures: readonly PolicyFailure[];
}

interface Bound<T> {
  readonly entry: T;
  readonly settings: never;
}

/** A policy with the pods that match it, and when each is due. */
export class PolicyState {
  /** When each pod is due, by its UID. */
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
  /** The pods that match, and until when each is done. */
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
      const problem = found.entry.problem?.(found.settings);
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
    const isSubject = (pod.isSuspendedWorkload ?? false) === (this.subject.of === "suspendedWorkload");
    return (
      isSubject &&
      this.filters.every(
        ({ entry, settings }) => (entry.timed ?? false) !== timed || entry.matches(settings, pod, context),
      )
    );
  }

  /** Adds a pod that matches, or updates it. @param doneMs until when a new one is done */
  set(pod: PolicyPod, doneMs: () => number): void {
    const done = this.doneMs.get(pod.uid) ?? doneMs();
    this.doneMs.set(pod.uid, done);
    this.schedule(pod, done);
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
      if (pod) this.schedule(pod, doneMs);
    }
    return true;
  }

  delete(podUID: string): boolean {
    this.queue.delete(podUID);
    return this.doneMs.delete(podUID);
  }

  /** Marks what was due as done, and schedules the next. */
  done(pod: PolicyPod, dueMs: number, nowMs: number): void {
    const done = this.trigger?.entry.done(dueMs, nowMs) ?? nowMs;
    this.doneMs.set(pod.uid, done);
    this.schedule(pod, done);
  }

  fail(failure: PolicyFailure): void {
    this.failures = [failure, ...this.failures].slice(0, MAX_FAILURES);
  }

  private schedule(pod: PolicyPod, afterMs: number): void {
    const { entry, settings } = this.trigger ?? {};
    const { firedMs, policy } = this;
    const { namespace, owner } = pod;
    const context = {
      policyUID: policy.uid,
      pod,
      ...(firedMs === undefined ? {} : { firedMs }),
      ...(this.subject.isTogether && owner ? { spreadBy: `${namespace}/${owner.kind}/${owner.name}` } : {}),
    };
    this.queue.set(pod.uid, entry?.next(settings as never, context, afterMs));
  }
}
