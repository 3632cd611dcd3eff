import { credentialsOf, isNodeLocalRegistry, registryPort } from "../../../../config/engines/node-agent";
import { agentNamespace, deleteArtifactsOf } from "../../../../config/install";
import { API_PORTS, DNS, tcp } from "../../network-policy/rules";
import type { ComponentPolicy, EnginePolicies, PolicySettings } from "../engine";
import type { NodeAgentInput } from "./input";

/** The EKS Pod Identity agent on the pod's node. */
const POD_IDENTITY = {
  to: [{ ipBlock: { cidr: "169.254.170.23/32" } }, { ipBlock: { cidr: "fd00:ec2::23/128" } }],
  ports: [tcp(80)],
};

/**
 * Returns the policies of the agents, which accept no connections. They reach the API server and the registry, as a controller that deletes artifacts does. If the registry is on the node, they use the network of the node, to which no policy applies.
 */
export function networkPolicies(
  { engine, install }: Pick<NodeAgentInput, "engine" | "install">,
  { egressPorts = [...API_PORTS] }: PolicySettings,
): EnginePolicies {
  if (isNodeLocalRegistry(engine)) return { policies: [], controllerEgress: [] };
  const deletion = deleteArtifactsOf(install);
  const { repository } = engine;
  const policy = (component: string): ComponentPolicy => ({
    component,
    namespace: agentNamespace(install),
    egress: [
      DNS,
      { ports: [...new Set([...egressPorts, registryPort(engine)])].map(tcp) },
      ...(credentialsOf(engine) === "ecr" ? [POD_IDENTITY] : []),
    ],
  });
  return {
    policies: [policy("helper"), policy("health-check")],
    controllerEgress: deletion
      ? [
          { ports: [tcp(registryPort(engine))] },
          ...(credentialsOf({ repository, registryCredentials: deletion.registryCredentials }) === "ecr"
            ? [POD_IDENTITY]
            : []),
        ]
      : [],
  };
}
