import * as v from "../../schema/valibot";
import { requiredImage } from "../../pod";
import { parseQuantity, quantity } from "../../schema/quantity";
import { derived, described, integer, registryRepository, rule, shape } from "../../schema";
import { dockerConfigSecret } from "../../secret";
import { checksSchema } from "./checks";

const MIN_SIZE = parseQuantity("1Mi") ?? 0n;
const MAX_SIZE = parseQuantity("1Pi") ?? 0n;

/** Matches a size of disk space on a node. */
const disk = v.pipe(
  quantity,
  rule<string>({
    code: "out-of-range",
    test: (text) => {
      const size = parseQuantity(text) ?? -1n;
      return size < 0n || (size >= MIN_SIZE && size <= MAX_SIZE); // The previous rule reports invalid quantities.
    },
    message: "is out of range for checkpoints",
    allowed: "1Mi to 1Pi, such as 20Gi",
  }),
);

/** Matches the time within which an agent must report. */
export const agentResponseSeconds = integer(15, 3600);

/** Settings of the node agent that its engines share. */
export const nodeAgentEntries = {
  image: requiredImage(
    "Image of the node agent: helper and health check. No image is published: build it (npm run image -- node-agent) and push it to your registry.",
  ),
  repository: described(
    registryRepository,
    "Repository of checkpoint artifacts. Use a private one: artifacts contain process memory, including secrets.",
  ),
  repositoryPerNamespace: described(
    v.optional(v.boolean(), false),
    "Whether the checkpoints of each namespace are pushed to a repository of their own, <repository>/<namespace>. Each can then have other readers, rules and keys. The repositories must exist, unless the registry creates them at a push; imageRepository creates them in ECR.",
  ),
  registryCredentials: described(
    derived(
      dockerConfigSecret("Name of the Secret, in the namespace of the agent."),
      "for an ECR repository the agent's role (EKS Pod Identity), otherwise none",
    ),
    "Secret with a Docker config.json, which the agent uses to push.",
  ),
  quota: described(
    v.optional(disk, "20Gi"),
    "Maximum total size of the checkpoints on a node. The agent deletes a checkpoint after its push.",
  ),
  reserve: described(
    v.optional(disk, "5Gi"),
    "Free space that checkpoints must leave on the disk of a node. A checkpoint that does not fit is not started.",
  ),
  agentResponseSeconds: described(
    v.optional(agentResponseSeconds, 60),
    "Seconds within which the agent of a node must report a new checkpoint, else the checkpoint fails with AgentNotAnswering. Raise it for nodes where an agent takes longer to restart.",
  ),
  checks: described(
    v.optional(checksSchema, {}),
    "Effect of each check of the health check when it fails. gate: a node keeps the startup taint until it passes. warn: the node reports the failure, and takes workloads.",
  ),
  allowCgroupV1: described(
    v.optional(v.boolean(), false),
    "Whether nodes with cgroup v1 are accepted. On these nodes restored processes are not moved to their original cgroups.",
  ),
  logLevel: described(
    v.optional(v.picklist(["debug", "info", "warn", "error"]), "info"),
    "Log level of helper and health check.",
  ),
} as const;

const nodeAgent = shape(nodeAgentEntries);
/** Settings of the node agent with their defaults. */
export type NodeAgentSettings = v.InferOutput<typeof nodeAgent>;

/** Kind of credentials that the agent uses for the registry. */
export type RegistryCredentials = "docker-config" | "ecr" | "none";

/** Matches the host of an ECR registry, which contains account and region. */
const ECR = /^\d{12}\.dkr\.ecr(-fips)?\.[a-z0-9-]+\.amazonaws\.com(\.cn)?$/;

/** Returns the host of the registry, with its port. */
export function registryOf({ repository }: Pick<NodeAgentSettings, "repository">): string {
  return repository.slice(0, repository.indexOf("/"));
}

/** Returns the kind of credentials for the registry of the engine. */
export function credentialsOf(
  engine: Pick<NodeAgentSettings, "repository" | "registryCredentials">,
): RegistryCredentials {
  if (engine.registryCredentials !== undefined) return "docker-config";
  return ECR.test(registryOf(engine)) ? "ecr" : "none";
}

/** Returns whether the registry runs on the node (localhost). Only pods with hostNetwork can reach it. */
export function isNodeLocalRegistry(engine: Pick<NodeAgentSettings, "repository">): boolean {
  return /^(localhost|127(\.\d{1,3}){3})(:\d+)?$/.test(registryOf(engine));
}

/** Returns the TCP port of the registry. */
export function registryPort(engine: Pick<NodeAgentSettings, "repository">): number {
  const port = /:(\d+)$/.exec(registryOf(engine))?.[1];
  return port === undefined ? (isNodeLocalRegistry(engine) ? 80 : 443) : Number(port);
}
