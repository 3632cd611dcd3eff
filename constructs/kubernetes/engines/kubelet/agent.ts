import type { Construct } from "constructs";
import type { EngineProps } from "../../input";
import { NodeAgent, NodeAgentRemoval } from "../node-agent";
import { kubeletInputOf } from "./input";

/** The agent on each node: helper, health check, their settings and permissions. */
export class KubeletAgent extends NodeAgent {
  constructor(scope: Construct, id: string, props: EngineProps) {
    super(scope, id, kubeletInputOf(scope, props));
  }
}

/**
 * Removes from each node what the helper installed, after the helper itself was removed. A pod of its DaemonSet is Running
 * when its node is done. Apply it separately, wait until all pods are Running, and delete it.
 */
export class AgentRemoval extends NodeAgentRemoval {
  constructor(scope: Construct, id: string, props: EngineProps) {
    super(scope, id, kubeletInputOf(scope, props));
  }
}
