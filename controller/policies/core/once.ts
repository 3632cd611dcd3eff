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

  /** Returns the name of the Checkpoint to create; undefined if there is one that did not fail. */
  nameFor(policyUID: string, namespace: string, subject: OnceSubject): string | undefined {
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      const name = onceName(policyUID, subject, attempt);
      if (!this.isTaken(`${namespace}/${name}`)) return name;
      if (this.checkpointAt(`${namespace}/${name}`)?.state !== "failed") return undefined;
    }
    return undefined;
  }

  /** Returns whether a Checkpoint exists or is about to be created. */
  isTaken(key: string): boolean {
    return this.slots.has(key) || this.checkpointAt(key) !== undefined;
  }
}
