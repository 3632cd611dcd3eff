import { isNotFound, type Client, type Events } from "../../kube";
import { conditionPatch, decideCondition, decideTaint, type GateKinds } from "./rules";
import type { View } from "./view";

/** Writes the condition of nodes. */
export class ConditionWriter {
  constructor(
    private readonly client: Client,
    private readonly view: View,
    private readonly kinds: Pick<GateKinds, "nodes">,
    private readonly events: Events,
  ) {}

  /**
   * Writes the condition, unless the taint must change first: the taint's reconcile then enqueues the node again.
   * @throws ApiError if the API server rejects the write; also 409, for a concurrent write of the node
   */
  async write(name: string, signal: AbortSignal): Promise<void> {
    const situation = this.view.look(name);
    if (!situation || decideTaint(situation).change) return;
    const { change, warn } = decideCondition(situation);
    if (!change) return;
    const { node, now } = situation;
    const target = { name, uid: node.metadata.uid };
    const patch = conditionPatch(node, change, now);
    try {
      const options = { subresource: "status", signal } as const;
      await this.client.strategicPatch(this.kinds.nodes, target, patch, options);
    } catch (error) {
      if (isNotFound(error)) return;
      throw error;
    }
    this.view.did(name, { condition: true });
    if (warn && change !== "remove") {
      this.events.record({
        regarding: { apiVersion: "v1", kind: "Node", name, uid: node.metadata.uid },
        type: "Warning",
        reason: change.reason,
        action: change.reason === "FailedOpen" ? "OpenGate" : "HoldGate",
        note: change.message,
      });
    }
  }
}
