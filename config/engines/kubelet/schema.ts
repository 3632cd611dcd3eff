import * as v from "valibot";
import { GPU_SUPPORTS, RUNTIMES } from "../../features";
import { requiredImage } from "../../pod";
import { parseQuantity, quantity } from "../../schema/quantity";
import { described, dnsSubdomain, pattern, registryRepository, rule, shape } from "../../schema";
import { DEFAULT_ENGINE } from "../kinds";
import { secretKey, secretReference } from "../secret";

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

/** Parts of a host that its system or others have for themselves. */
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
 * The open engine: the kubelet takes checkpoints, the agent of this toolkit pushes them as images, a pod with such an image
 * is restored. It needs no account with anybody.
 */
export const kubeletEngineSchema = shape({
  kind: described(v.optional(v.literal("kubelet"), DEFAULT_ENGINE), "The open engine, and the default."),
  image: requiredImage(
    "The node agent image, of helper and health check. None is published: build it (npm run image -- node-agent) and put it into a registry of yours.",
  ),
  repository: described(
    registryRepository,
    "Where images of checkpoints go. They hold the memory of processes with all secrets in it: a private one.",
  ),
  registryCredentials: described(
    v.optional(
      secretReference(
        shape({
          name: described(dnsSubdomain, "Name of the Secret, in the namespace of the agent."),
          key: described(v.optional(secretKey, ".dockerconfigjson"), "Key within the Secret."),
        }),
      ),
    ),
    "Secret with a Docker config.json, with which the agent pushes. Default: its own role (EKS Pod Identity) for a repository of ECR, nothing for others.",
  ),
  quota: described(
    v.optional(disk, "20Gi"),
    "Archives on a node at a time, at most. They are on its disk until they are pushed.",
  ),
  reserve: described(
    v.optional(disk, "5Gi"),
    "What stays free on the disk of a node. A checkpoint for which there is no room is not begun.",
  ),
  folder: described(
    v.optional(folder, "/opt/cedana-cdk"),
    "Folder of the nodes in which the helper keeps CRIU. Nothing else may be in it.",
  ),
  runtime: described(
    v.optional(v.picklist(RUNTIMES), "containerd"),
    "What runs the containers on the nodes. Used to refuse what the engine cannot do.",
  ),
  gpu: described(
    v.optional(v.picklist([...GPU_SUPPORTS, "cuda"]), "none"),
    "How GPU state is saved. cuda: by CRIU's CUDA plugin, which you add when you build the image.",
  ),
  allowCgroupV1: described(
    v.optional(v.boolean(), false),
    "Whether nodes with cgroup v1 are good enough. Restored processes there do not get back their cgroups of their own.",
  ),
  requireRestore: described(
    v.optional(v.boolean(), true),
    "Whether a node whose container runtime cannot restore from images of checkpoints waits behind the readiness gate. false: checkpoints are enough.",
  ),
  logLevel: described(
    v.optional(v.picklist(["debug", "info", "warn", "error"]), "info"),
    "What helper and health check log.",
  ),
});

export interface KubeletEngineSpec extends v.InferInput<typeof kubeletEngineSchema> {}
export interface ResolvedKubeletEngine extends v.InferOutput<typeof kubeletEngineSchema> {}
