/**
 * NodeConfig (`node.eks.aws/v1alpha1`), the configuration of nodeadm, which sets up an EKS node. nodeadm ignores unknown
 * fields. These schemas reject them.
 */
import { parse } from "smol-toml";
import * as v from "../schema/valibot";
import { derived, described, pattern, rule, mapping, shape } from "../schema";
import { kubeletOptionsSchema } from "./kubelet";

export const NODE_CONFIG_API_VERSION = "node.eks.aws/v1alpha1";

const cidr = pattern(/^[0-9a-fA-F.:]+\/\d{1,3}$/, {
  code: "invalid-cidr",
  message: "is not a CIDR block",
  allowed: "an address and a prefix length, such as 172.20.0.0/16",
});

/** Describes `spec.cluster`. A node needs the four required fields to join the cluster. */
export const nodeClusterSchema = shape({
  name: described(v.pipe(v.string(), v.minLength(1)), "Name of the EKS cluster."),
  apiServerEndpoint: described(
    pattern(/^https:\/\/\S+$/, {
      code: "invalid-endpoint",
      message: "is not the URL of an API server",
      allowed: "https://...",
    }),
    "URL of the Kubernetes API.",
  ),
  certificateAuthority: described(
    pattern(/^[A-Za-z0-9+/]+={0,2}$/, {
      code: "invalid-base64",
      message: "is not base64-encoded",
      allowed: "the base64-encoded certificate chain on one line, as DescribeCluster returns it",
    }),
    "Certificate authority of the API server: base64-encoded PEM.",
  ),
  cidr: described(cidr, "CIDR block of Services."),
  enableOutpost: described(derived(v.boolean(), "false"), "Whether the node runs on an AWS Outpost."),
  id: described(
    derived(v.string(), "none"),
    "Id of the cluster. Required on an Outpost, otherwise not allowed.",
  ),
});

const json = v.unknown();

/** Keys of schema 2's CRI table that schema 3 still supports: the server of exec, attach and port-forward. */
const STREAMING = [
  "disable_tcp_service",
  "stream_server_address",
  "stream_server_port",
  "stream_idle_timeout",
  "enable_tls_streaming",
  "x509_key_pair_streaming",
];

/** Returns whether the text uses configuration schema 2, which containerd 2 ignores in a file of schema 3. */
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

/** Describes `spec.containerd`. */
export const containerdOptionsSchema = shape({
  config: described(
    derived(
      v.pipe(
        v.string(),
        rule<string>({
          code: "containerd-schema-v2",
          test: (text) => !isSchema2(text),
          message: "uses schema 2 or older of containerd's configuration",
          allowed:
            "schema 3, with plugins.'io.containerd.cri.v1.runtime' and plugins.'io.containerd.cri.v1.images'",
          remedy:
            "rename the table io.containerd.grpc.v1.cri to io.containerd.cri.v1.runtime, and remove version",
        }),
        rule<string>({
          code: "invalid-toml",
          test: isToml,
          message: "is not valid TOML; containerd would not start",
          allowed: "a TOML document",
        }),
      ),
      "that of the AMI",
    ),
    "Configuration of containerd: TOML, schema 3. nodeadm merges tables into those of the AMI, and replaces lists.",
  ),
  baseRuntimeSpec: described(
    derived(mapping(v.string(), json), "that of the AMI"),
    "Base OCI runtime spec of all containers, merged into that of the AMI.",
  ),
});

/** Describes `spec.instance`. */
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
              code: "invalid-path",
              message: "is not an absolute path",
              allowed: "a path that begins with /",
            }),
            "/mnt/k8s-disks/, nodeadm's default",
          ),
          "Directory where the disks are mounted.",
        ),
        disabledMounts: described(
          derived(v.array(v.picklist(["Containerd", "PodLogs", "SOCI"])), "none"),
          "Directories that remain on the root volume.",
        ),
      }),
      "the disks are not used",
    ),
    "Use of the instance's local disks.",
  ),
  environment: described(
    derived(mapping(v.string(), mapping(v.string(), v.string())), "none"),
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

/** Describes `spec.featureGates`: feature gates of nodeadm. */
export const nodeFeatureGatesSchema = shape({
  InstanceIdNodeName: described(
    derived(v.boolean(), "that of nodeadm"),
    "Whether the name of the node is its instance id.",
  ),
  FastImagePull: described(
    derived(v.boolean(), "that of nodeadm"),
    "Whether the SOCI snapshotter pulls images in parallel.",
  ),
});

/** Describes `spec` of a NodeConfig. */
export const nodeConfigSpecSchema = shape({
  cluster: described(
    derived(nodeClusterSchema, "that of EKS or Karpenter"),
    "Cluster that the node joins. Only with a custom AMI.",
  ),
  kubelet: described(derived(kubeletOptionsSchema, "that of the AMI"), "Settings of the kubelet."),
  containerd: described(derived(containerdOptionsSchema, "that of the AMI"), "Settings of containerd."),
  instance: described(derived(instanceOptionsSchema, "that of the AMI"), "Settings of the host."),
  featureGates: described(derived(nodeFeatureGatesSchema, "none"), "Feature gates of nodeadm."),
});

/** Describes a NodeConfig. */
export const nodeConfigSchema = shape({
  apiVersion: described(v.literal(NODE_CONFIG_API_VERSION), "Must be node.eks.aws/v1alpha1."),
  kind: described(v.literal("NodeConfig"), "Must be NodeConfig."),
  metadata: described(derived(mapping(v.string(), json), "none"), "Metadata, which nodeadm ignores."),
  spec: described(nodeConfigSpecSchema, "Configuration of the node."),
});

export type NodeConfigSpec = v.InferInput<typeof nodeConfigSpecSchema>;
export type NodeConfig = v.InferInput<typeof nodeConfigSchema>;
export type KubeletOptions = NonNullable<NodeConfigSpec["kubelet"]>;
