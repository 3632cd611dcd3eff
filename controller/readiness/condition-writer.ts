import { ApiError, type Json, type KubernetesClient } from "../../kube/client";
import type { Events } from "../../kube/runtime";
import type { View } from "./view";
import { conditionPatch, decideCondition, decideTaint, pathOfNode, projectNode, WRITER } from "./rules";
import { type GateSettings } from "../../config/programs/controller";

/** Makes the condition of nodes say what it has to. */
export class ConditionWriter {
  constructor(
    private readonly client: Pick<KubernetesClient, "send">,
    private readonly view: View,
    private readonly settings: GateSettings,
    private readonly events: Events,
  ) {}

  /**
   * Writes the condition, unless the taint has to change first: then who changes it asks again.
   * @throws ApiError as the API server refuses it; also 409, which it answers when others wrote the node at the same time
   */
  async write(name: string, signal: AbortSignal): Promise<void> {
    const situation = this.view.look(name);
    if (!situation || decideTaint(situation).change) return;
    const { change, warn } = decideCondition(situation);
    if (!change) return;
    const { node, now } = situation;
    try {
      const patch = conditionPatch(node, change, now);
      const path = `${pathOfNode(name)}/status`;
      const answer = await this.client.send("PATCH", path, patch, { query: WRITER, signal });
      this.view.learn(projectNode(answer as Json, this.settings));
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) return;
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
