/**
 * NodeConfig (`node.eks.aws/v1alpha1`), the document that nodeadm configures an EKS node by. nodeadm drops fields it
 * does not know without a word; here they are refused.
 */
import { parse } from "smol-toml";
import * as v from "valibot";
import { described, pattern, rule, shape } from "../schema";
import { kubeletOptionsSchema } from "./kubelet";

export const NODE_CONFIG_API_VERSION = "node.eks.aws/v1alpha1";

const cidr = pattern(/^[0-9a-fA-F.:]+\/\d{1,3}$/, {
  code: "not-a-cidr",
  message: "is not a CIDR block",
  allowed: "an address and a prefix length: 172.20.0.0/16",
});

/** `spec.cluster`: without all four a node does not join. */
export const nodeClusterSchema = shape({
  name: described(v.pipe(v.string(), v.minLength(1)), "Name of the EKS cluster."),
  apiServerEndpoint: described(
    pattern(/^https:\/\/\S+$/, {
      code: "not-an-endpoint",
      message: "is not the URL of an API server",
      allowed: "https://...",
    }),
    "URL of the Kubernetes API.",
  ),
  certificateAuthority: described(
    pattern(/^[A-Za-z0-9+/]+={0,2}$/, {
      code: "not-base64",
      message: "is not base64",
      allowed: "the certificate chain (PEM) in base64 on one line, as DescribeCluster returns it",
    }),
    "Certificate authority of the API server, PEM in base64.",
  ),
  cidr: described(cidr, "CIDR block of Services."),
  enableOutpost: described(v.optional(v.boolean()), "Whether the node is on an AWS Outpost."),
  id: described(v.optional(v.string()), "Id of the cluster; only on an Outpost, where it is required."),
});

const json = v.unknown();

/** What schema 3 has left in the table of schema 2's plugin: its server for exec, attach and port-forward. */
const STREAMING = [
  "disable_tcp_service",
  "stream_server_address",
  "stream_server_port",
  "stream_idle_timeout",
  "enable_tls_streaming",
  "x509_key_pair_streaming",
];

/** Of the second schema version: containerd 2 takes no notice of it in a file of the third. */
function isSchema2(text: string): boolean {
  try {
    const { version = 3, plugins = {} } = parse(text) as {
      version?: unknown;
      plugins?: Record<string, object>;
    };
    const table = plugins["io.containerd.grpc.v1.cri"] ?? {};
    return version !== 3 || Object.keys(table).some((key) => !STREAMING.includes(key));
  } catch {
    return false;
  }
}

function isToml(text: string): boolean {
  try {
    parse(text);
    return true;
  } catch {
    return false;
  }
}

/** `spec.containerd`. */
export const containerdOptionsSchema = shape({
  config: described(
    v.optional(
      v.pipe(
        v.string(),
        rule<string>({
          code: "containerd-schema-v2",
          test: (text) => !isSchema2(text),
          message:
            "is of containerd's configuration schema 2 or older, or has a table of it; all supported AMIs have containerd 2 (schema 3)",
          allowed: "plugins.'io.containerd.cri.v1.runtime' and plugins.'io.containerd.cri.v1.images'",
          remedy:
            "rename the table io.containerd.grpc.v1.cri to io.containerd.cri.v1.runtime, and leave version out",
        }),
        rule<string>({
          code: "not-toml",
          test: isToml,
          message: "is not TOML; containerd would not start",
          allowed: "a TOML document",
        }),
      ),
    ),
    "Configuration of containerd in TOML, schema 3. nodeadm merges it deeply over its own; lists are replaced.",
  ),
  baseRuntimeSpec: described(
    v.optional(v.record(v.string(), json)),
    "Part of an OCI runtime spec that all containers start from; merged over that of the AMI.",
  ),
});

/** `spec.instance`. */
export const instanceOptionsSchema = shape({
  localStorage: described(
    v.optional(
      shape({
        strategy: described(
          v.picklist(["RAID0", "RAID10", "Mount"]),
          "RAID0 or RAID10 over all local disks, or each mounted by itself.",
        ),
        mountPath: described(
          v.optional(
            pattern(/^\/\S*$/, {
              code: "not-absolute",
              message: "is not an absolute path",
              allowed: "a path that begins with /",
            }),
          ),
          "Where the disks are mounted. nodeadm's default: /mnt/k8s-disks/.",
        ),
        disabledMounts: described(
          v.optional(v.array(v.picklist(["Containerd", "PodLogs", "SOCI"]))),
          "Folders that stay on the root volume.",
        ),
      }),
    ),
    "What is done with the instance's local disks.",
  ),
  environment: described(
    v.optional(v.record(v.string(), v.record(v.string(), v.string()))),
    "Environment variables by systemd unit; the unit `default` stands for all.",
  ),
  network: described(
    v.optional(
      shape({
        nameservers: described(v.optional(v.array(v.string())), "DNS servers."),
        domains: described(v.optional(v.array(v.string())), "DNS search domains."),
      }),
    ),
    "Name resolution of the host.",
  ),
});

/** `spec.featureGates`: features of nodeadm itself. */
export const nodeFeatureGatesSchema = shape({
  InstanceIdNodeName: described(v.optional(v.boolean()), "The node is named by its instance id."),
  FastImagePull: described(v.optional(v.boolean()), "Parallel image pulls by the SOCI snapshotter."),
});

/** `spec` of a NodeConfig. */
export const nodeConfigSpecSchema = shape({
  cluster: described(
    v.optional(nodeClusterSchema),
    "How to reach the cluster. Only with a custom AMI: EKS and Karpenter add their own.",
  ),
  kubelet: described(v.optional(kubeletOptionsSchema), "Settings of the kubelet."),
  containerd: described(v.optional(containerdOptionsSchema), "Settings of containerd."),
  instance: described(v.optional(instanceOptionsSchema), "Settings of the host."),
  featureGates: described(v.optional(nodeFeatureGatesSchema), "Features of nodeadm."),
});

/** A whole NodeConfig. */
export const nodeConfigSchema = shape({
  apiVersion: described(v.literal(NODE_CONFIG_API_VERSION), "Always node.eks.aws/v1alpha1."),
  kind: described(v.literal("NodeConfig"), "Always NodeConfig."),
  metadata: described(v.optional(v.record(v.string(), json)), "nodeadm takes no notice of it."),
  spec: described(nodeConfigSpecSchema, "What nodeadm does."),
});

export type NodeConfigSpec = v.InferInput<typeof nodeConfigSpecSchema>;
export type NodeConfig = v.InferInput<typeof nodeConfigSchema>;
export type KubeletOptions = NonNullable<NodeConfigSpec["kubelet"]>;
