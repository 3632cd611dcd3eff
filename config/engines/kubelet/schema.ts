import * as v from "../../schema/valibot";
import { GPU_SUPPORTS, RUNTIMES } from "../../features";
import { requiredImage } from "../../pod";
import { parseQuantity, quantity } from "../../schema/quantity";
import {
  derived,
  described,
  dnsSubdomain,
  integer,
  pattern,
  registryRepository,
  rule,
  shape,
  titled,
} from "../../schema";
import { secretKey, secretReference } from "../../secret";

const LEAST = parseQuantity("1Mi") ?? 0n;
const MOST = parseQuantity("1Pi") ?? 0n;

/** A size on the disk of a node. */
const disk = v.pipe(
  quantity,
  rule<string>({
    code: "out-of-range",
    test: (text) => {
      const size = parseQuantity(text) ?? -1n;
      return size < 0n || (size >= LEAST && size <= MOST); // The rule before reports what is no quantity, or below zero.
    },
    message: "is not a size for checkpoint archives",
    allowed: "1Mi to 1Pi, such as 20Gi",
  }),
);

export const agentResponseSeconds = integer(15, 3600);

/** Directories of a host that belong to the system or to other programs. */
const FOREIGN = "proc|sys|dev|run|tmp|boot|etc|usr|bin|sbin|lib|lib64|root|home|host|var/run|var/tmp|var/lib";
const folder = pattern(
  new RegExp(`^(?!/(${FOREIGN})(/[^/]*)?$|/(${FOREIGN})/)(/(?!\\.{1,2}(/|$))[\\w.-]+){2,}$`),
  {
    code: "not-a-folder-of-its-own",
    message: "is not a folder that the agent could have for itself",
    allowed:
      "an absolute path of letters, digits, ., _ and -, at least two deep and outside of the system's, such as /opt/cedana-cdk",
  },
);

/**
 * The open engine: the kubelet takes checkpoints, the agent of this toolkit pushes them as images, and a pod with such an
 * image is restored. It needs no account.
 */
const kubeletEngine = shape({
  kind: described(v.optional(v.literal("kubelet"), "kubelet"), "Selects the open engine."),
  image: requiredImage(
    "Image of the node agent: helper and health check. It is not published: build it (npm run image -- node-agent) and push it to your registry.",
  ),
  repository: described(
    registryRepository,
    "Repository of checkpoint images. Use a private one: images contain process memory, including secrets.",
  ),
  registryCredentials: described(
    derived(
      secretReference(
        shape({
          name: described(dnsSubdomain, "Name of the Secret, in the namespace of the agent."),
          key: described(v.optional(secretKey, ".dockerconfigjson"), "Key in the Secret."),
        }),
      ),
      "the agent's role (EKS Pod Identity) for a repository of ECR, none for others",
    ),
    "Secret with a Docker config.json, which the agent uses to push.",
  ),
  quota: described(
    v.optional(disk, "20Gi"),
    "Maximum total size of the archives on a node. An archive is on the node's disk until it is pushed.",
  ),
  reserve: described(
    v.optional(disk, "5Gi"),
    "Space that stays free on the disk of a node. A checkpoint that does not fit is not started.",
  ),
  agentResponseSeconds: described(
    v.optional(agentResponseSeconds, 60),
    "Seconds within which the agent of a node must report a new checkpoint, else the checkpoint fails with AgentNotAnswering. Raise it for nodes where an agent takes longer to restart.",
  ),
  folder: described(
    v.optional(folder, "/opt/cedana-cdk"),
    "Directory of the nodes where the helper installs CRIU. It must not contain anything else.",
  ),
  runtime: described(
    v.optional(v.picklist(RUNTIMES), "containerd"),
    "Container runtime of the nodes. Settings that the engine does not support on it are refused.",
  ),
  gpu: described(
    v.optional(v.picklist([...GPU_SUPPORTS, "cuda"]), "none"),
    "How GPU state is saved. cuda: by CRIU's CUDA plugin, which you add when you build the image.",
  ),
  allowCgroupV1: described(
    v.optional(v.boolean(), false),
    "Whether nodes with cgroup v1 are accepted. Restored processes do not return to their own cgroups on them.",
  ),
  requireRestore: described(
    v.optional(v.boolean(), true),
    "Whether a node must be able to restore from checkpoint images to become ready. false: it must only be able to checkpoint.",
  ),
  logLevel: described(
    v.optional(v.picklist(["debug", "info", "warn", "error"]), "info"),
    "Log level of helper and health check.",
  ),
});

export const kubeletEngineSchema = titled(kubeletEngine, "the open engine");

export interface KubeletEngineSpec extends v.InferInput<typeof kubeletEngineSchema> {}
export interface ResolvedKubeletEngine extends v.InferOutput<typeof kubeletEngineSchema> {}
