import { onceName } from "./hash";
import type { Slots } from "./slots";
import type { CheckpointFact, OnceSubject } from "./types";

/** Maximum number of Checkpoints for a subject: after as many failed ones, no pod gets another one. */
const MAX_ATTEMPTS = 10;

/** Names the Checkpoint for what a trigger is due once. That it exists is the memory, also of the next leader. */
export class Once {
  constructor(
    private readonly slots: Pick<Slots, "has">,
    private readonly checkpointAt: (key: string) => CheckpointFact | undefined,
  ) {}

  /**
   * Returns the name of the Checkpoint to create; undefined if there is one that did not fail, or none is left. All attempts count,
   * as a failed one may have been deleted.
   */
  nameFor(policyUID: string, namespace: string, subject: OnceSubject): string | undefined {
    let free: string | undefined;
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      const name = onceName(policyUID, subject, attempt);
      const key = `${namespace}/${name}`;
      if (!this.isTaken(key)) free ??= name;
      else if (this.checkpointAt(key)?.state !== "failed") return undefined;
    }
    return free;
  }

  /** Returns whether a Checkpoint exists or is about to be created. */
  isTaken(key: string): boolean {
    return this.slots.has(key) || this.checkpointAt(key) !== undefined;
  }
}
