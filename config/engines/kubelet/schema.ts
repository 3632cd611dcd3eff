import * as v from "../../schema/valibot";
import { GPU_SUPPORTS, RUNTIMES } from "../../features";
import { described, pattern, shape, titled } from "../../schema";
import { nodeAgentEntries } from "../node-agent";

/** Directories of the host that the system or other programs use. */
const RESERVED =
  "proc|sys|dev|run|tmp|boot|etc|usr|bin|sbin|lib|lib64|root|home|host|var/run|var/tmp|var/lib";
const installDirectory = pattern(
  new RegExp(`^(?!/(${RESERVED})(/[^/]*)?$|/(${RESERVED})/)(/(?!\\.{1,2}(/|$))[\\w.-]+){2,}$`),
  {
    code: "invalid-directory",
    message: "is not a directory that the agent can own",
    allowed:
      "an absolute path of at least two components outside of system directories, such as /opt/cedana-cdk",
  },
);

const { allowCgroupV1, logLevel, ...agentEntries } = nodeAgentEntries;

/**
 * Describes the open engine: the kubelet takes checkpoints, the agent of this toolkit pushes them as images, and the
 * container runtime restores pods from these images. It needs no Cedana account.
 */
const kubeletEngine = shape({
  kind: described(v.literal("kubelet"), "Selects the engine kubelet."),
  ...agentEntries,
  folder: described(
    v.optional(installDirectory, "/opt/cedana-cdk"),
    "Directory on the nodes where the helper installs CRIU. It must not contain other files.",
  ),
  runtime: described(
    v.optional(v.picklist(RUNTIMES), "containerd"),
    "Container runtime of the nodes. Settings that the engine does not support on this runtime are rejected.",
  ),
  gpu: described(
    v.optional(v.picklist([...GPU_SUPPORTS, "cuda"]), "none"),
    "Method that saves GPU state. cuda: CRIU's CUDA plugin, which you add to the image when you build it.",
  ),
  allowCgroupV1,
  requireRestore: described(
    v.optional(v.boolean(), true),
    "Whether a node must support restores from checkpoint images to become ready. false: it must only support checkpoints.",
  ),
  logLevel,
});

export const kubeletEngineSchema = titled(kubeletEngine, "the engine kubelet");

export interface KubeletEngineSpec extends v.InferInput<typeof kubeletEngineSchema> {}
export interface ResolvedKubeletEngine extends v.InferOutput<typeof kubeletEngineSchema> {}
