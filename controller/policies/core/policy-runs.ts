import type { PolicyState } from "./policy-state";
import type { PolicyRun } from "./types";

/** Runs of policies whose action works on the policy as a whole: one of a policy at a time. */
export class PolicyRuns {
  /** UIDs of the policies whose run is in progress. */
  private readonly running = new Set<string>();
  private due: PolicyRun[] = [];

  /** Schedules a policy. A new leader makes up one missed time, within the deadline. @param catchUp whether it is one */
  place(state: PolicyState, nowMs: number, catchUp: boolean): void {
    const { policy, isActive, lastRunMs = Number.NEGATIVE_INFINITY } = state;
    const deadlineMs = (policy.spec.deadlineSeconds ?? 0) * 1000;
    if (isActive) state.setSelf(Math.max(policy.sinceMs, lastRunMs, catchUp ? nowMs - deadlineMs : nowMs));
  }

  /** Starts the run of a policy that is due. @returns false if one is in progress, which covers this time */
  start(state: PolicyState, dueMs: number, nowMs: number): boolean {
    const { policy } = state;
    if (this.running.has(policy.uid)) return false;
    this.running.add(policy.uid);
    this.due.push({ policy, dueMs, startMs: nowMs });
    return true;
  }

  /** Returns the runs that were started since the last call. The caller must execute them, and end each. */
  take(): readonly PolicyRun[] {
    const due = this.due;
    this.due = [];
    return due;
  }

  /** Ends a run. The next leader repeats the last one, unless it was completed. @param state of the policy, if it exists */
  end(
    { policy, startMs }: PolicyRun,
    { isCompleted, failure }: RunEnd,
    state: PolicyState | undefined,
  ): void {
    this.running.delete(policy.uid);
    // How the run of an earlier generation ended says nothing about this one.
    if (state?.policy.generation !== policy.generation) return;
    if (isCompleted) state.lastRunMs = startMs;
    if (isCompleted || failure !== undefined) state.runFailure = failure;
  }
}

/** How a run ended. */
export interface RunEnd {
  /** Whether the next leader does not repeat it. */
  readonly isCompleted: boolean;
  /** Why it did not do all that it should. */
  readonly failure?: string | undefined;
}
