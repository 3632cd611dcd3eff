import { type GateSettings } from "../../config/programs/controller";
import { hasOurs, type Situation } from "./rules";

/** States of a node, as the metric names them. */
export const NODE_STATES = ["ready", "waiting", "outdated", "lost", "failedOpen", "orphaned"] as const;
export type NodeState = (typeof NODE_STATES)[number];

/** What a node counts as. */
export interface Counted {
  readonly state: NodeState;
  /** It is beyond its start: it was ready once, or has no taint. */
  readonly started: boolean;
  /** It is beyond its start, and an agent does not serve on it. */
  readonly lost: boolean;
}

type Standing = Pick<Situation, "node" | "assessment" | "memory" | "settings">;

/** What a node counts as; undefined if it is none of the gate's. */
export function countOf({ node, assessment, memory, settings }: Standing): Counted | undefined {
  const { gated, ready, serving } = assessment;
  if (!gated && memory.orphanSinceMs === undefined) return undefined;
  if (!gated || node.deleting) return { state: "orphaned", started: false, lost: false };
  const tainted = hasOurs(node, settings.taint);
  const started = memory.onceReady || !tainted;
  const lost = started && !serving;
  const state = (): NodeState => {
    if (ready) return tainted ? "waiting" : "ready";
    if (memory.failedOpen) return "failedOpen";
    if (memory.onceReady && lost) return "lost";
    return serving && !tainted ? "outdated" : "waiting";
  };
  return { state: state(), started, lost };
}

/** Counts nodes by their state, one look at a node at a time. */
export class Census {
  private readonly counted = new Map<string, Counted>();
  private readonly states = new Map<NodeState, number>();
  /** Gated nodes beyond their start. */
  started = 0;
  /** Those of them that lack an agent. */
  lost = 0;

  count(name: string, counted: Counted | undefined): void {
    this.add(this.counted.get(name), -1);
    if (counted) this.counted.set(name, counted);
    else this.counted.delete(name);
    this.add(counted, 1);
  }

  of(state: NodeState): number {
    return this.states.get(state) ?? 0;
  }

  /** Whether more nodes lack an agent than may be tainted. One always may. */
  isStorm({ retaint }: Pick<GateSettings, "retaint">): boolean {
    if (!retaint) return false;
    return this.lost > Math.max(1, Math.floor((this.started * retaint.maxUnreadyPercent) / 100));
  }

  private add(counted: Counted | undefined, by: number): void {
    if (!counted) return;
    this.states.set(counted.state, this.of(counted.state) + by);
    if (counted.started) this.started += by;
    if (counted.lost) this.lost += by;
  }
}
