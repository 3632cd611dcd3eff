import { Construct } from "constructs";
import { NODE_CHECKPOINT } from "../../../../api";
import type { ResolvedKubeletEngine } from "../../../../config/engines";
import type { EngineProps } from "../../input";
import type { EngineConstruct, EngineConstructs } from "../engine";
import { networkPolicies, requestGrants } from "../node-agent";
import { AgentRemoval, KubeletAgent } from "./agent";
import { nodeAgentInput } from "./input";

export const KUBELET_CONSTRUCTS: EngineConstructs<ResolvedKubeletEngine> = {
  create: (scope, id, input) => new KubeletEngine(scope, id, input),
  checkpointGrants: ({ install }) => ({
    rules: [],
    elsewhere: [requestGrants(install, "node-checkpoints", NODE_CHECKPOINT)],
  }),
  networkPolicies: (input, settings) => networkPolicies(nodeAgentInput(input), settings),
  createRemoval: (scope, id, input) => new AgentRemoval(scope, id, input),
};

/** All objects of the engine `kubelet`. */
export class KubeletEngine extends Construct implements EngineConstruct {
  readonly agent: KubeletAgent;

  constructor(scope: Construct, id: string, props: EngineProps) {
    super(scope, id);
    this.agent = new KubeletAgent(this, "agent", props);
  }
}
