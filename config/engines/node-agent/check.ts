import { deleteArtifactsOf, reservedVariables, type ResolvedInstall } from "../../install";
import { under, type Problem } from "../../schema/problem";
import { isToken } from "../../schema/rule";
import { isNodeLocalRegistry, registryOf, type NodeAgentSettings } from "./schema";

/** Checks the settings of the node agent across several properties. */
export function checkNodeAgent(engine: Pick<NodeAgentSettings, "image" | "quota" | "reserve">): Problem[] {
  return [...checkImage(engine), ...checkLiterals(engine)];
}

/** Rejects tokens as sizes, which the toolkit converts to bytes during synthesis. */
function checkLiterals(engine: Pick<NodeAgentSettings, "quota" | "reserve">): Problem[] {
  return (["quota", "reserve"] as const)
    .filter((property) => isToken(engine[property]))
    .map((property) => ({
      code: "unresolved-token",
      path: [property],
      message: "is a Terraform token, but synthesis converts its value to bytes",
      allowed: "a literal value",
    }));
}

function checkImage({ image }: Pick<NodeAgentSettings, "image">): Problem[] {
  if (image.tag !== undefined || image.digest !== undefined) return [];
  return [
    {
      code: "missing",
      path: ["image"],
      message: "has neither tag nor digest",
      given: image.repository,
      allowed: "a digest, or a tag such as 0.1.0",
    },
  ];
}

/** Rejects a registry that the controller cannot reach, if it deletes artifacts. Paths begin with `install`. */
export function checkDeletion(
  engine: Pick<NodeAgentSettings, "repository">,
  install: ResolvedInstall,
): Problem[] {
  if (!deleteArtifactsOf(install) || !isNodeLocalRegistry(engine)) return [];
  return [
    {
      code: "registry-on-node",
      path: ["install", "checkpoints", "deleteArtifacts"],
      message: "is not possible: the registry is on each node, where the controller is not",
      given: registryOf(engine),
      remedy: "use a registry in the network, or remove deleteArtifacts",
    },
  ];
}

/** Environment variables with fields of the pod, which the install sets. */
const POD_VARIABLES = new Set(["NODE_NAME", "POD_NAME", "POD_NAMESPACE", "POD_UID"]);

/** Checks the settings of the agents' pods. Paths begin with `install`. */
export function checkAgentPods({ healthCheck, helper }: ResolvedInstall): Problem[] {
  return under(
    ["install"],
    [
      ...reservedVariables(["helper", "env"], helper.env, POD_VARIABLES),
      ...reservedVariables(["healthCheck", "env"], healthCheck.env, POD_VARIABLES),
    ],
  );
}
