import { Construct } from "constructs";
import { NODE_CHECKPOINT } from "../../../../api";
import type { ResolvedKubeletEngine } from "../../../../config/engines";
import { agentNamespace, namesOf } from "../../../../config/install";
import type { CheckpointGrants, EngineConstruct, EngineConstructs, EngineInput } from "../engine";
import { networkPolicies } from "./network-policies";
import { AgentRemoval } from "./removal";
import type { EngineProps } from "../../input";
import { KubeletAgent } from "./agent";

/** Returns the permissions on NodeCheckpoints, by which the controller requests checkpoints from the agents. */
function checkpointGrants({ install }: EngineInput<ResolvedKubeletEngine>): CheckpointGrants {
  return {
    rules: [],
    elsewhere: [
      {
        id: "node-checkpoints",
        name: namesOf(install).controllerNodeCheckpoints,
        namespaces: [agentNamespace(install)],
        rules: [
          {
            apiGroups: [NODE_CHECKPOINT.group],
            resources: [NODE_CHECKPOINT.plural],
            verbs: ["get", "list", "watch", "create", "delete"],
          },
        ],
      },
    ],
  };
}

/** All objects of the engine `kubelet`. */
export class KubeletEngine extends Construct implements EngineConstruct {
  readonly agent: KubeletAgent;

  constructor(scope: Construct, id: string, props: EngineProps) {
    super(scope, id);
    this.agent = new KubeletAgent(this, "agent", props);
  }
}

/** Row of the engine in the table of engines. */
export const KUBELET_CONSTRUCTS: EngineConstructs<ResolvedKubeletEngine> = {
  create: (scope, id, input) => new KubeletEngine(scope, id, input),
  checkpointGrants,
  networkPolicies,
  createRemoval: (scope, id, input) => new AgentRemoval(scope, id, input),
};
