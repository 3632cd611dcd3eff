import type { GateSettings } from "../../config/programs/controller";
import type { Events, Logger } from "../../kube";
import { hasOurs, type GateNode, type NodeSnapshot } from "./rules";

/** States of a node, as the metric names them. */
export const NODE_STATES = ["ready", "waiting", "outdated", "lost", "failedOpen", "orphaned"] as const;
export type NodeState = (typeof NODE_STATES)[number];

/** The class of a node. */
export interface NodeClass {
  readonly state: NodeState;
  /** It has started: it was ready at some time, or has no taint. */
  readonly started: boolean;
  /** It has started, and an agent does not serve on it. */
  readonly lost: boolean;
  /** Since when it waits for the removal of its taint. Only in the state `waiting`. */
  readonly waitingSinceMs?: number;
}

type Observed = Pick<NodeSnapshot, "node" | "assessment" | "history" | "settings">;

/** Classifies a node; undefined if the gate does not manage it. */
export function classify({ node, assessment, history, settings }: Observed): NodeClass | undefined {
  const { gated, ready, serving } = assessment;
  if (!gated && history.orphanSinceMs === undefined) return undefined;
  if (!gated || node.deleting) return { state: "orphaned", started: false, lost: false };
  const tainted = hasOurs(node, settings.taint);
  const started = history.onceReady || !tainted;
  const lost = started && !serving;
  const state = (): NodeState => {
    if (ready) return tainted ? "waiting" : "ready";
    if (history.failedOpen) return "failedOpen";
    if (history.onceReady && lost) return "lost";
    return serving && !tainted ? "outdated" : "waiting";
  };
  const found = state();
  // A node whose agents are Ready waits for this controller only.
  const waitingSinceMs = history.waitingSinceMs ?? history.taintedSinceMs;
  return {
    state: found,
    started,
    lost,
    ...(found === "waiting" && waitingSinceMs !== undefined && { waitingSinceMs }),
  };
}

/** Counts nodes by state. */
export class NodeStats {
  private readonly nodes = new Map<string, NodeClass>();
  private readonly states = new Map<NodeState, number>();
  /** Gated nodes that have started. */
  started = 0;
  /** Those of them that lack an agent. */
  lost = 0;

  update(name: string, node: NodeClass | undefined): void {
    this.add(this.nodes.get(name), -1);
    if (node) this.nodes.set(name, node);
    else this.nodes.delete(name);
    this.add(node, 1);
  }

  of(state: NodeState): number {
    return this.states.get(state) ?? 0;
  }

  /** Returns the age of the longest wait; 0 if no node waits. */
  oldestWaitingSeconds(now: number): number {
    let oldestMs = now;
    for (const { waitingSinceMs = now } of this.nodes.values()) oldestMs = Math.min(oldestMs, waitingSinceMs);
    return (now - oldestMs) / 1000;
  }

  /** Checks whether more nodes lack an agent than may be tainted. One node always may. */
  isTooManyUnready({ retaint }: Pick<GateSettings, "retaint">): boolean {
    if (!retaint) return false;
    return this.lost > Math.max(1, Math.floor((this.started * retaint.maxUnreadyPercent) / 100));
  }

  private add(node: NodeClass | undefined, by: number): void {
    if (!node) return;
    this.states.set(node.state, this.of(node.state) + by);
    if (node.started) this.started += by;
    if (node.lost) this.lost += by;
  }
}

/** Reports when too many nodes are unready to taint another one, and when that ends. */
export class DisruptionLimit {
  private reported = false;

  constructor(
    private readonly stats: NodeStats,
    private readonly settings: GateSettings,
    private readonly events: Events,
    private readonly log: Logger,
  ) {}

  /** Whether the limit prevents a taint. */
  get isReached(): boolean {
    if (this.reported && !this.stats.isTooManyUnready(this.settings)) {
      this.reported = false;
      this.log.info(this.counts(), "disruption limit no longer reached");
    }
    return this.reported;
  }

  /** Reports a prevented taint by log and event, once for the first node. */
  report({ metadata }: GateNode): void {
    if (this.isReached) return;
    this.reported = true;
    const { lost, started } = this.stats;
    this.log.warn({ node: metadata.name, ...this.counts() }, "disruption limit reached: no node is tainted");
    this.events.record({
      regarding: { apiVersion: "v1", kind: "Node", name: metadata.name, uid: metadata.uid },
      type: "Warning",
      reason: "TooManyUnreadyNodes",
      action: "LimitDisruption",
      note: `${lost} of ${started} nodes lack an agent, more than maxUnreadyPercent: no further node is tainted.`,
    });
  }

  private counts() {
    return { lost: this.stats.lost, started: this.stats.started };
  }
}
