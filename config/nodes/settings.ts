/** What a node of any provenance (managed group or Karpenter) can be told. */
import * as v from "valibot";
import { arn, described, integer, labelKey, labelValue, pattern, rule, shape } from "../schema";
import { DEFAULT_ENGINE, ENGINE_KINDS, type EngineKind } from "../engines/kinds";
import { kubeletOptionsSchema } from "./kubelet";
import { containerdOptionsSchema, instanceOptionsSchema, nodeFeatureGatesSchema } from "./node-config";
import { runtimeHandlerSchema } from "./runtime-handler";
import { startupTaintSchema, taintSchema } from "./taint";

/** Nodes with this label get the node agent. */
export const ENABLED_LABEL = { key: "cedana.ai/enabled", value: "true" } as const;

/** Domains whose labels the kubelet may not give itself (NodeRestriction), or that EKS and Karpenter write. */
const RESERVED_LABEL =
  /^(?!([^/]+\.)?(kubelet|node)\.kubernetes\.io\/)(([^/]+\.)?(kubernetes\.io|k8s\.io)|([^/]+\.)?eks\.amazonaws\.com|karpenter\.sh|karpenter\.k8s\.aws)\//;
const RESERVED_TAINT =
  /^((node|node\.cloudprovider|node-role)\.kubernetes\.io|([^/]+\.)?eks\.amazonaws\.com|karpenter\.sh|karpenter\.k8s\.aws)\//;

const nodeLabelKey = v.pipe(
  labelKey,
  rule<string>({
    code: "reserved-label",
    test: (key) => !RESERVED_LABEL.test(key),
    message: "is a label that a node may not give itself",
    allowed:
      "keys outside kubernetes.io, k8s.io (but node.kubernetes.io/ is free), eks.amazonaws.com, karpenter.sh and karpenter.k8s.aws",
    remedy: "use a prefix of your own",
  }),
);

const userTaint = v.pipe(
  taintSchema,
  rule<v.InferOutput<typeof taintSchema>>({
    code: "reserved-taint",
    test: ({ key }) => !RESERVED_TAINT.test(key),
    message: "is a taint that Kubernetes, EKS or Karpenter sets and removes by itself",
    allowed: "keys outside node.kubernetes.io, eks.amazonaws.com and karpenter.sh",
    remedy: "use a prefix of your own",
  }),
);

export const rootVolumeSchema = shape({
  sizeGiB: described(
    v.optional(integer(20, 65_536), 100),
    "Size in GiB. Checkpoints are written here before they are uploaded.",
  ),
  type: described(v.optional(v.picklist(["gp3", "io1", "io2"]), "gp3"), "EBS volume type."),
  iops: described(v.optional(integer(100, 256_000)), "I/O operations a second. Required for io1 and io2."),
  throughputMiBps: described(v.optional(integer(125, 2000)), "Throughput in MiB/s; gp3 only."),
  kmsKeyArn: described(
    v.optional(arn),
    "KMS key. Without one, the account's default key: it is always encrypted.",
  ),
});

const sysctlName = pattern(/^[a-z0-9_-]+([./][A-Za-z0-9_*-]+)+$/, {
  code: "not-a-sysctl",
  message: "is not the name of a sysctl",
  allowed: "a name such as fs.pipe-max-size",
});

const sysctlValue = pattern(/^[^\r\n]*$/, {
  code: "not-a-sysctl-value",
  message: "is not the value of a sysctl",
  allowed: "text on one line",
});

const script = pattern(/^#!\//, {
  code: "no-interpreter",
  message: "does not begin with an interpreter; cloud-init would not run it",
  allowed: "a script that begins with #!/bin/bash or the like",
});

const tagKey = pattern(/^(?!aws:)[\s\S]{1,128}$/i, {
  code: "not-a-tag-key",
  message: "is not a tag key that AWS allows",
  allowed: "up to 128 characters, not beginning with aws:",
});

/** Tags of AWS resources. */
export const tagsSchema = v.record(tagKey, v.pipe(v.string(), v.maxLength(256)));

/** Properties shared by managed groups and node pools; spread them into a shape. */
export const nodeSettings = {
  instanceTypes: described(
    v.pipe(
      v.array(
        pattern(/^[a-z0-9-]+\.[a-z0-9-]+$/, {
          code: "not-an-instance-type",
          message: "is not an instance type",
          allowed: "family.size, for instance m7i.2xlarge",
        }),
      ),
      v.minLength(1),
      v.maxLength(40),
    ),
    "EC2 instance types, all of one architecture and with the same kind of accelerator.",
  ),
  architecture: described(
    v.optional(v.picklist(["x86_64", "arm64"])),
    "Only for instance types that this toolkit does not know.",
  ),
  accelerator: described(
    v.optional(v.picklist(["none", "nvidia", "neuron"])),
    "Only for instance types that this toolkit does not know: which drivers the AMI must have.",
  ),
  checkpointing: described(
    v.optional(v.boolean(), true),
    "Whether the nodes checkpoint: they get the label cedana.ai/enabled, the startup taint, and what the engine needs of containerd.",
  ),
  engine: described(
    v.optional(v.picklist(ENGINE_KINDS)),
    `Engine of the nodes. cedana: with a runtime handler; kubelet: containerd restores from checkpoint images. Default: engine.kind of the file; without one, ${DEFAULT_ENGINE}.`,
  ),
  labels: described(v.optional(v.record(nodeLabelKey, labelValue), {}), "Labels of the nodes."),
  taints: described(v.optional(v.array(userTaint), []), "Taints that stay."),
  startupTaint: described(
    v.optional(startupTaintSchema),
    "Taint until the node can checkpoint. Default: cedana.ai/not-ready=true:NoSchedule where checkpointing is true. false: none.",
  ),
  runtimeHandler: described(
    v.optional(runtimeHandlerSchema),
    "containerd runtime handler for restores. Default: one named cedana where checkpointing is true and the engine is cedana. false: none.",
  ),
  rootVolume: described(v.optional(rootVolumeSchema, {}), "Root volume; always encrypted."),
  metadataOptions: described(
    v.optional(
      shape({
        httpPutResponseHopLimit: described(
          v.optional(integer(1, 64), 1),
          "1: pods without hostNetwork do not reach the instance's credentials.",
        ),
      }),
      {},
    ),
    "Instance metadata service. Always version 2, with tokens required.",
  ),
  kubelet: described(
    v.optional(kubeletOptionsSchema, {}),
    "Settings of the kubelet, over those made for checkpoints.",
  ),
  containerd: described(v.optional(containerdOptionsSchema, {}), "Settings of containerd."),
  instance: described(
    v.optional(instanceOptionsSchema, {}),
    "Local disks, environment and name resolution of the host.",
  ),
  featureGates: described(v.optional(nodeFeatureGatesSchema, {}), "Features of nodeadm."),
  sysctls: described(
    v.optional(v.record(sysctlName, sysctlValue), {}),
    'Kernel settings, set before containerd and the kubelet start: {"fs.pipe-max-size": "4194304"}.',
  ),
  preNodeadm: described(
    v.optional(v.array(script), []),
    "Shell scripts that run before containerd and the kubelet start.",
  ),
  tags: described(v.optional(tagsSchema, {}), "Tags of everything made, instances and volumes too."),
} as const;

const settingsSchema = shape(nodeSettings);
/** The settings with their defaults. */
export type NodeSettings = v.InferOutput<typeof settingsSchema>;

/** Returns the engine of the nodes. */
export function engineOf({ engine = DEFAULT_ENGINE }: Pick<NodeSettings, "engine">): EngineKind {
  return engine;
}
