/**
 * NodeConfig (`node.eks.aws/v1alpha1`), from which nodeadm configures an EKS node. nodeadm silently drops unknown fields;
 * here they are refused.
 */
import { parse } from "smol-toml";
import * as v from "../schema/valibot";
import { derived, described, pattern, rule, shape } from "../schema";
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
  enableOutpost: described(derived(v.boolean(), "false"), "Whether the node runs on an AWS Outpost."),
  id: described(derived(v.string(), "none"), "Id of the cluster. Required on an Outpost, else not allowed."),
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
    derived(
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
      "that of the AMI",
    ),
    "Configuration of containerd: TOML, schema 3. nodeadm merges it deeply over that of the AMI, and replaces lists.",
  ),
  baseRuntimeSpec: described(
    derived(v.record(v.string(), json), "that of the AMI"),
    "Base OCI runtime spec of all containers, merged over that of the AMI.",
  ),
});

/** `spec.instance`. */
export const instanceOptionsSchema = shape({
  localStorage: described(
    derived(
      shape({
        strategy: described(
          v.picklist(["RAID0", "RAID10", "Mount"]),
          "RAID0 or RAID10: one array of all local disks. Mount: each disk is mounted separately.",
        ),
        mountPath: described(
          derived(
            pattern(/^\/\S*$/, {
              code: "not-absolute",
              message: "is not an absolute path",
              allowed: "a path that begins with /",
            }),
            "/mnt/k8s-disks/, nodeadm's default",
          ),
          "Directory where the disks are mounted.",
        ),
        disabledMounts: described(
          derived(v.array(v.picklist(["Containerd", "PodLogs", "SOCI"])), "none"),
          "Directories that stay on the root volume.",
        ),
      }),
      "the disks are not used",
    ),
    "Use of the instance's local disks.",
  ),
  environment: described(
    derived(v.record(v.string(), v.record(v.string(), v.string())), "none"),
    "Environment variables by systemd unit. The unit `default` means all units.",
  ),
  network: described(
    derived(
      shape({
        nameservers: described(derived(v.array(v.string()), "those of the VPC"), "DNS servers."),
        domains: described(derived(v.array(v.string()), "those of the VPC"), "DNS search domains."),
      }),
      "that of the VPC",
    ),
    "Name resolution of the host.",
  ),
});

/** `spec.featureGates`: features of nodeadm itself. */
export const nodeFeatureGatesSchema = shape({
  InstanceIdNodeName: described(
    derived(v.boolean(), "that of nodeadm"),
    "Whether the instance id is the node's name.",
  ),
  FastImagePull: described(
    derived(v.boolean(), "that of nodeadm"),
    "Whether the SOCI snapshotter pulls images in parallel.",
  ),
});

/** `spec` of a NodeConfig. */
export const nodeConfigSpecSchema = shape({
  cluster: described(
    derived(nodeClusterSchema, "that of EKS or Karpenter"),
    "The cluster that the node joins. Only with a custom AMI.",
  ),
  kubelet: described(derived(kubeletOptionsSchema, "that of the AMI"), "Settings of the kubelet."),
  containerd: described(derived(containerdOptionsSchema, "that of the AMI"), "Settings of containerd."),
  instance: described(derived(instanceOptionsSchema, "that of the AMI"), "Settings of the host."),
  featureGates: described(derived(nodeFeatureGatesSchema, "none"), "Feature gates of nodeadm."),
});

/** A whole NodeConfig. */
export const nodeConfigSchema = shape({
  apiVersion: described(v.literal(NODE_CONFIG_API_VERSION), "Must be node.eks.aws/v1alpha1."),
  kind: described(v.literal("NodeConfig"), "Must be NodeConfig."),
  metadata: described(derived(v.record(v.string(), json), "none"), "Metadata, which nodeadm ignores."),
  spec: described(nodeConfigSpecSchema, "Configuration of the node."),
});

export type NodeConfigSpec = v.InferInput<typeof nodeConfigSpecSchema>;
export type NodeConfig = v.InferInput<typeof nodeConfigSchema>;
export type KubeletOptions = NonNullable<NodeConfigSpec["kubelet"]>;
