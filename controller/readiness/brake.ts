import type { Events, Logger } from "../../kube";
import type { Census } from "./census";
import type { GateNode } from "./rules";
import type { GateSettings } from "../../config/programs/controller";

/** Tells when too many nodes lack an agent to taint another, and when that is over. */
export class Brake {
  private held = false;

  constructor(
    private readonly census: Census,
    private readonly settings: GateSettings,
    private readonly events: Events,
    private readonly log: Logger,
  ) {}

  /** Whether a taint is held back, and the reason lasts. */
  get holds(): boolean {
    if (this.held && !this.census.isStorm(this.settings)) {
      this.held = false;
      this.log.info(this.counts(), "storm brake released: nodes may be tainted again");
    }
    return this.held;
  }

  /** A node's taint was held back. Log and event tell it once, for the first node. */
  hold({ metadata }: GateNode): void {
    if (this.holds) return;
    this.held = true;
    const { lost, started } = this.census;
    this.log.warn({ node: metadata.name, ...this.counts() }, "storm brake: no node is tainted");
    this.events.record({
      regarding: { apiVersion: "v1", kind: "Node", name: metadata.name, uid: metadata.uid },
      type: "Warning",
      reason: "StormBrake",
      action: "HoldTaint",
      note: `${lost} of ${started} nodes lack an agent. That is no fault of single nodes: none of them is tainted until it calms.`,
    });
  }

  private counts() {
    return { lost: this.census.lost, started: this.census.started };
  }
}
