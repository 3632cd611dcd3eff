import type { CachedObjects } from "../../../kube";
import type { WatchObject } from "./objects";

/** Time within which what reads a node writes its first status, ms. A node without an agent never has one. */
const FIRST_STATUS_MS = 60_000;

/** Why there are no readings. */
export interface ReadingsProblem {
  /** Of no pod, or of pods on some nodes. */
  readonly of: "all" | "some";
  readonly message: string;
}

/** Collects the failures of what reads the memory of pods. */
export class Readings {
  private failure?: string;
  /** Objects of nodes that may have no readings. An index, because they are few of many, and each status of a policy needs them. */
  private readonly suspects: () => readonly WatchObject[];

  /** @param changed called when the problem may be another one */
  constructor(
    private readonly objects: CachedObjects<WatchObject>,
    private readonly changed: () => void,
  ) {
    const suspectsAt = objects.index(({ status }) =>
      status.message === undefined && status.observedGeneration !== undefined ? [] : [""],
    );
    this.suspects = () => suspectsAt("");
  }

  /** Follows what agents report. */
  start(): void {
    this.objects.onChange(({ old, new: now }) => {
      if (old?.status.message !== now?.status.message) this.changed();
    });
  }

  /** Sets the reason for which no pod has readings; undefined: they have. */
  failed(problem: string | undefined): void {
    if (problem === this.failure) return;
    if (problem === undefined) delete this.failure;
    else this.failure = problem;
    this.changed();
  }

  /** Returns why there are no readings of all pods, or of those of some nodes. */
  problem(nowMs: number): ReadingsProblem | undefined {
    if (this.failure !== undefined) return { of: "all", message: this.failure };
    const failing = this.suspects().flatMap(({ metadata, spec: { nodeName }, status }) => {
      const isLate = nowMs - Date.parse(metadata.creationTimestamp) >= FIRST_STATUS_MS;
      const isSilent = status.observedGeneration === undefined && isLate;
      const message = status.message ?? (isSilent ? "its agent has not reported" : undefined);
      return message === undefined ? [] : `${nodeName}: ${message}`;
    });
    const [first] = failing;
    if (first === undefined) return undefined;
    const nodes = `${failing.length} ${failing.length === 1 ? "node" : "nodes"}`;
    return { of: "some", message: `no readings of ${nodes}: ${first}` };
  }
}
