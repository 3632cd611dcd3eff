/** Settings that managed node groups and Karpenter node pools share, and the runtime handler that restores checkpoints. */
import * as v from "../schema/valibot";
import {
  dnsLabel,
  described,
  oneOf,
  pattern,
  mapping,
  shape,
  arn,
  derived,
  integer,
  labelKey,
  labelValue,
  rule,
} from "../schema";
import { DEFAULT_ENGINE, ENGINE_KINDS, type EngineKind } from "../engine-kinds";
import { kubeletOptionsSchema } from "./kubelet";
import { containerdOptionsSchema, instanceOptionsSchema, nodeFeatureGatesSchema } from "./node-config";
import { startupTaintSchema, taintSchema } from "./taint";

const absolute = pattern(/^\/[^"'\\\n]+$/, {
  code: "invalid-path",
  message: "is not an absolute path",
  allowed: "a path that begins with /, without quotes and backslashes",
});

const annotationPattern = pattern(/^[A-Za-z0-9./*_-]+$/, {
  code: "invalid-annotation-pattern",
  message: "is not a pattern of annotation keys",
  allowed: "a key of an annotation, with * for any text",
});

/** Default name of the handler, also in the RuntimeClass of the install. */
export const DEFAULT_HANDLER = "cedana";

export const runtimeHandlerSchema = oneOf([
  v.literal(false),
  shape({
    name: described(
      v.optional(dnsLabel, DEFAULT_HANDLER),
      "Name of the handler: the `handler` of the RuntimeClass.",
    ),
    runtimeType: described(
      v.optional(
        pattern(/^[a-z0-9]+(\.[a-z0-9-]+)+$/, {
          code: "invalid-runtime-type",
          message: "is not a containerd runtime type",
          allowed: "a name such as io.containerd.runc.v2",
        }),
        "io.containerd.runc.v2",
      ),
      "Runtime type of containerd.",
    ),
    runtimePath: described(
      v.optional(oneOf([absolute, v.literal(false)]), "/usr/local/bin/cedana-shim-runc-v2"),
      "Path of the shim that containerd starts. false: the default shim of the runtime type.",
    ),
    binary: described(
      derived(absolute, "the OCI runtime of the AMI"),
      "OCI runtime that the shim calls, such as /usr/local/bin/cedana-runc.",
    ),
    podAnnotations: described(
      derived(v.array(annotationPattern), "none"),
      "Annotations of pods that containerd passes to the runtime, such as cedana.ai/*.",
    ),
  }),
]);

/** Runtime handler of containerd. */
export type RuntimeHandler = Exclude<v.InferOutput<typeof runtimeHandlerSchema>, false>;

/** Label of the nodes that get the node agent. */
export const ENABLED_LABEL = { key: "cedana.ai/enabled", value: "true" } as const;

/** Matches label keys that a kubelet must not set (NodeRestriction), or that EKS and Karpenter set. */
const RESERVED_LABEL =
  /^(?!([^/]+\.)?(kubelet|node)\.kubernetes\.io\/)(([^/]+\.)?(kubernetes\.io|k8s\.io)|([^/]+\.)?eks\.amazonaws\.com|karpenter\.sh|karpenter\.k8s\.aws)\//;
/** Matches taint keys that Kubernetes, EKS and Karpenter set. */
const RESERVED_TAINT =
  /^((node|node\.cloudprovider|node-role)\.kubernetes\.io|([^/]+\.)?eks\.amazonaws\.com|karpenter\.sh|karpenter\.k8s\.aws)\//;

const nodeLabelKey = v.pipe(
  labelKey,
  rule<string>({
    code: "reserved-label",
    test: (key) => !RESERVED_LABEL.test(key),
    message: "is a label that a kubelet must not set",
    allowed:
      "keys outside kubernetes.io (except node.kubernetes.io), k8s.io, eks.amazonaws.com, karpenter.sh and karpenter.k8s.aws",
    remedy: "use a custom prefix",
  }),
);

const userTaint = v.pipe(
  taintSchema,
  rule<v.InferOutput<typeof taintSchema>>({
    code: "reserved-taint",
    test: ({ key }) => !RESERVED_TAINT.test(key),
    message: "is a taint that Kubernetes, EKS or Karpenter manages",
    allowed: "keys outside node.kubernetes.io, eks.amazonaws.com and karpenter.sh",
    remedy: "use a custom prefix",
  }),
);

export const rootVolumeSchema = shape({
  sizeGiB: described(
    v.optional(integer(20, 65_536), 100),
    "Size in GiB. Checkpoints are written to this volume before they are uploaded.",
  ),
  type: described(v.optional(v.picklist(["gp3", "io1", "io2"]), "gp3"), "EBS volume type."),
  iops: described(
    derived(integer(100, 256_000), "3000 for gp3, by EBS"),
    "I/O operations per second. Required for io1 and io2.",
  ),
  throughputMiBps: described(
    derived(integer(125, 2000), "125 for gp3, by EBS"),
    "Throughput in MiB/s. Only for gp3.",
  ),
  kmsKeyArn: described(
    derived(arn, "the default EBS key of the account"),
    "KMS key of the volume. It is always encrypted.",
  ),
});

const sysctlName = pattern(/^[a-z0-9_-]+([./][A-Za-z0-9_*-]+)+$/, {
  code: "invalid-sysctl-name",
  message: "is not a valid sysctl name",
  allowed: "a name such as fs.pipe-max-size",
});

const sysctlValue = pattern(/^[^\r\n]*$/, {
  code: "invalid-sysctl-value",
  message: "is not a valid sysctl value",
  allowed: "a single line",
});

const script = pattern(/^#!\//, {
  code: "missing-interpreter",
  message: "does not begin with #!; cloud-init would not run it",
  allowed: "a script whose first line is an interpreter, such as #!/bin/bash",
});

const tagKey = pattern(/^(?!aws:)[\s\S]{1,128}$/i, {
  code: "invalid-tag-key",
  message: "is not a valid AWS tag key",
  allowed: "up to 128 characters, not beginning with aws:",
});

/** Describes tags of AWS resources. */
export const tagsSchema = mapping(tagKey, v.pipe(v.string(), v.maxLength(256)));

/** Properties of managed node groups and node pools. */
export const nodeSettings = {
  instanceTypes: described(
    v.pipe(
      v.array(
        pattern(/^[a-z0-9-]+\.[a-z0-9-]+$/, {
          code: "invalid-instance-type",
          message: "is not an instance type",
          allowed: "<family>.<size>, such as m7i.2xlarge",
        }),
      ),
      v.minLength(1),
      v.maxLength(40),
    ),
    "EC2 instance types. All must have the same architecture and the same kind of accelerator.",
  ),
  architecture: described(
    derived(v.picklist(["x86_64", "arm64"]), "that of the instance types"),
    "CPU architecture. Only for instance types that this toolkit does not know.",
  ),
  accelerator: described(
    derived(v.picklist(["none", "nvidia", "neuron"]), "that of the instance types"),
    "Accelerator for which the AMI has drivers. Only for instance types that this toolkit does not know.",
  ),
  checkpointing: described(
    v.optional(v.boolean(), true),
    "Whether the nodes support checkpoints. The toolkit then sets the label cedana.ai/enabled, the startup taint and the engine's configuration of containerd.",
  ),
  engine: described(
    derived(v.picklist(ENGINE_KINDS), `engine.kind of the file, or ${DEFAULT_ENGINE} without engine`),
    "Engine for which the nodes are configured. cedana: containerd gets a runtime handler. criu: containerd gets a runtime handler, and the node the units of the host service.",
  ),
  labels: described(v.optional(mapping(nodeLabelKey, labelValue), {}), "Labels of the nodes."),
  taints: described(v.optional(v.array(userTaint), []), "Permanent taints of the nodes."),
  startupTaint: described(
    derived(startupTaintSchema, "cedana.ai/not-ready=true:NoSchedule if checkpointing is true, else false"),
    "Taint of a new node until its agents are Ready. false: no taint.",
  ),
  runtimeHandler: described(
    derived(runtimeHandlerSchema, "that of the engine if checkpointing is true, else false"),
    "Runtime handler of containerd for restores. false: no handler.",
  ),
  rootVolume: described(v.optional(rootVolumeSchema, {}), "Root volume. It is always encrypted."),
  metadataOptions: described(
    v.optional(
      shape({
        httpPutResponseHopLimit: described(
          v.optional(integer(1, 64), 1),
          "Maximum number of network hops of a response of the metadata service. With 1, pods without hostNetwork cannot read the instance's credentials.",
        ),
      }),
      {},
    ),
    "Instance metadata service. It is always IMDSv2.",
  ),
  kubelet: described(
    v.optional(kubeletOptionsSchema, {}),
    "Settings of the kubelet. They override those for checkpoints.",
  ),
  containerd: described(v.optional(containerdOptionsSchema, {}), "Settings of containerd."),
  instance: described(
    v.optional(instanceOptionsSchema, {}),
    "Local disks, environment variables and name resolution of the host.",
  ),
  featureGates: described(v.optional(nodeFeatureGatesSchema, {}), "Feature gates of nodeadm."),
  sysctls: described(
    v.optional(mapping(sysctlName, sysctlValue), {}),
    'Kernel parameters, set before containerd and the kubelet start, such as {"fs.pipe-max-size": "4194304"}.',
  ),
  preNodeadm: described(
    v.optional(v.array(script), []),
    "Shell scripts that run before containerd and the kubelet start.",
  ),
  tags: described(v.optional(tagsSchema, {}), "Tags of all resources, including instances and volumes."),
} as const;

const settingsSchema = shape(nodeSettings);
/** Describes the settings with their defaults. */
export type NodeSettings = v.InferOutput<typeof settingsSchema>;

/** Returns the engine of the nodes. */
export function engineOf({ engine = DEFAULT_ENGINE }: Pick<NodeSettings, "engine">): EngineKind {
  return engine;
}
