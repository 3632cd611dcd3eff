import { exponential } from "../../kube/runtime/backoff";

/** How often it is looked whether a pod runs, and waits between tries to reach an engine. */
const BASE_MS = 5000;
const MAX_MS = 60_000;

interface Pause {
  readonly untilMs: number;
  readonly tries: number;
  /** Whether looking earlier is of no use. */
  readonly strict: boolean;
}

/** Checkpoints that wait for something other than their turn. They leave their turn to others meanwhile. */
export class Patience {
  private readonly pauses = new Map<string, Pause>();

  /** Whether it leaves its turn to others. */
  has(uid: string, now: number): boolean {
    const pause = this.pauses.get(uid);
    return pause !== undefined && (!pause.strict || pause.untilMs > now);
  }

  /** How long it is not to be looked at, ms. */
  remainingMs(uid: string, now: number): number {
    const pause = this.pauses.get(uid);
    return pause?.strict ? Math.max(0, pause.untilMs - now) : 0;
  }

  /** The pod does not run yet. @returns ms until it is to be looked at */
  forPod(uid: string, now: number): number {
    return this.pause(uid, now, false);
  }

  /** The engine cannot be reached. @returns ms until it is to be tried */
  forEngine(uid: string, now: number): number {
    return this.pause(uid, now, true);
  }

  /** The pod runs: it waits for nothing but its turn. */
  podRuns(uid: string): void {
    if (this.pauses.get(uid)?.strict === false) this.pauses.delete(uid);
  }

  forget(uid: string): void {
    this.pauses.delete(uid);
  }

  private pause(uid: string, now: number, strict: boolean): number {
    const { tries, untilMs } = this.pauses.get(uid) ?? { tries: 0, untilMs: 0 };
    // Changes of the object make it be looked at early; that is no further try.
    if (!strict && untilMs > now) return untilMs - now;
    const ms = exponential(BASE_MS, MAX_MS, tries);
    this.pauses.set(uid, { untilMs: now + ms, tries: tries + 1, strict });
    return ms;
  }
}
