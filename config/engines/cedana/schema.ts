import * as v from "../../schema/valibot";
import { GPU_SUPPORTS, RUNTIMES } from "../../features";
import {
  derived,
  described,
  dnsSubdomain,
  httpsUrl,
  integer,
  labelKey,
  labelValue,
  pattern,
  region,
  mapping,
  oneOf,
  shape,
  titled,
} from "../../schema";
import { secretRef } from "../../secret";
import { listenAddress } from "./address";
import {
  attachAccountSchema,
  cedanaCheckpointsSchema,
  cedanaHelperSchema,
  dynamoWatcherSchema,
  managerSchema,
  runtimeClassSchema,
} from "./components";

const absolutePath = pattern(/^\/([^\s/:]+(\/[^\s/:]+)*)?$/, {
  code: "invalid-path",
  message: "is not an absolute path",
  allowed: "a path that begins with /, without spaces, colons and a trailing /",
});

/** Matches a pinned version. */
export const pinnedVersion = pattern(/^v\d+\.\d+(\.\d+)?([-.+][0-9A-Za-z.-]+)?$/, {
  code: "invalid-plugin-version",
  message: "is not a pinned version",
  allowed: "a version such as v0.7.5, but not latest",
});

const size = pattern(/^[1-9]\d*[KMG]$/, {
  code: "invalid-size",
  message: "is not a size in the format of mount(8)",
  allowed: "a number followed by K, M or G, such as 10G",
});

const shmConfig = shape({
  enabled: described(v.optional(v.boolean(), false), "Whether the agent remounts /dev/shm on its node."),
  size: described(v.optional(size, "10G"), "Size of /dev/shm after the remount."),
  minSize: described(
    v.optional(size, "10G"),
    "Minimum size of /dev/shm. It is remounted only if it is smaller.",
  ),
});

const off = v.literal(false);

const cedanaPoliciesSchema = shape({
  allowIngressFromNamespaces: described(
    v.optional(v.array(mapping(labelKey, labelValue)), []),
    "Labels of namespaces whose pods may call the manager (REST and metrics). {} selects every namespace.",
  ),
});

const secrets = shape({
  authToken: described(
    v.optional(secretRef, { name: "cedana-secrets", key: "auth-token" }),
    "Token of the Cedana platform.",
  ),
  awsAccessKeyId: described(
    derived(secretRef, "none"),
    "Id of the static AWS access key, for checkpoints in s3://.",
  ),
  awsSecretAccessKey: described(
    derived(secretRef, "none"),
    "Secret of the static AWS access key, for checkpoints in s3://.",
  ),
});

/**
 * Describes the settings of Cedana's engine. Defaults are those of Cedana's chart (0.7.6), except `protocol` and `address`:
 * a client of the agent's RPC is root on the node, so the agent does not listen on the network.
 */
const cedanaEngine = shape({
  kind: described(v.literal("cedana"), "Selects Cedana's engine."),
  clusterId: described(
    pattern(/^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i, {
      code: "invalid-uuid",
      message: "is not a UUID",
      allowed: "the id that the Cedana platform shows, such as 0b8f5b0e-6d0c-4b52-9f3e-3f3c8e1f7a10",
    }),
    "Id of the cluster on the Cedana platform.",
  ),
  url: described(httpsUrl(), "URL of the Cedana platform, such as https://sandbox.cedana.ai."),
  runtime: described(
    v.optional(v.picklist(RUNTIMES), "containerd"),
    "Container runtime of the nodes. Settings that the agent does not support on this runtime are rejected.",
  ),
  gpu: described(
    v.optional(v.picklist(GPU_SUPPORTS), "interception"),
    "Method that saves GPU state. none: no GPU plugin.",
  ),
  protocol: described(
    v.optional(v.picklist(["unix", "tcp", "vsock"]), "unix"),
    "Protocol between helper, health check and the daemon on their node.",
  ),
  address: described(
    derived(
      pattern(/^(\/[^\s:]+|\[?[\w.:-]+\]?:\d{1,5})$/, {
        code: "invalid-address",
        message: "is not a valid address",
        allowed: "a socket path, <host>:<port>, or <cid>:<port>",
      }),
      `${listenAddress({ protocol: "unix" })} with unix, ${listenAddress({ protocol: "tcp" })} with tcp; required with vsock`,
    ),
    "Address on which the daemon listens.",
  ),
  exposeDaemon: described(
    v.optional(v.boolean(), false),
    "Whether the daemon may listen on addresses other than loopback. It has no authentication: every client is root on the node.",
  ),
  sqsQueueUrl: described(
    v.optional(oneOf([v.literal(""), httpsUrl()]), ""),
    "URL of the interruption queue that the manager reads.",
  ),
  checkpointDir: described(
    v.optional(
      pattern(/^(\/[^\s]*|[a-z0-9]+:\/\/[^\s]+)$/, {
        code: "invalid-checkpoint-directory",
        message: "is not a location of checkpoints",
        allowed: "cedana://<path>, s3://<bucket>/<path> or a directory on the node",
      }),
      "/tmp",
    ),
    "Location of checkpoints: cedana://<path>, s3://<bucket>/<path> or a directory on the node.",
  ),
  checkpointStreams: described(
    v.optional(integer(0, 64), 0),
    "Number of parallel streams of a checkpoint, at least 2. 0: no streaming.",
  ),
  checkpointStreamMemoryLimitMB: described(
    v.optional(integer(1, 1_048_576), 4096),
    "Maximum memory of streaming, in MB.",
  ),
  checkpointCompression: described(
    v.optional(v.picklist(["none", "tar", "lz4", "gzip", "zlib"]), "none"),
    "Compression of checkpoints.",
  ),
  checkpointAsync: described(
    v.optional(v.boolean(), false),
    "Whether a container resumes before its checkpoint is stored.",
  ),
  gpuPoolSize: described(
    v.optional(integer(0, 1024), 0),
    "Number of GPU controllers to keep ready on each node.",
  ),
  gpuShmSizeBytes: described(
    v.optional(integer(0, Number.MAX_SAFE_INTEGER), 8_589_934_592),
    "Shared memory of each GPU controller, in bytes.",
  ),
  pluginsBuilds: described(
    v.optional(v.picklist(["release", "alpha", "local"]), "release"),
    "Builds of the plugins that are downloaded.",
  ),
  pluginsCriuVersion: described(v.optional(pinnedVersion, "v4.2-cedana.01"), "Version of CRIU."),
  pluginsContainerdRuntimeVersion: described(
    v.optional(pinnedVersion, "v0.7.5"),
    "Version of the containerd shim.",
  ),
  pluginsGpuVersion: described(
    v.optional(pinnedVersion, "v0.7.3"),
    "Version of the GPU plugin. Unused with gpu: none.",
  ),
  pluginsStreamerVersion: described(v.optional(pinnedVersion, "v0.1.0"), "Version of the streamer."),
  pluginsNativeVersion: described(
    derived(pinnedVersion, "the tag of the helper's image; required if that tag is not a version"),
    "Version of the plugins that are built with the agent.",
  ),
  metrics: described(
    v.optional(v.boolean(), true),
    "Whether agent and manager send metrics to the Cedana platform.",
  ),
  profiling: described(v.optional(v.boolean(), true), "Whether the agent profiles its operations."),
  logLevel: described(
    v.optional(v.picklist(["trace", "debug", "info", "warn", "error", "fatal", "panic", "disabled"]), "info"),
    "Log level of agent and manager.",
  ),
  criuLogLevel: described(
    v.optional(integer(0, 4), 2),
    "Log level of CRIU. 2: errors, 3: also warnings, 4: everything.",
  ),
  awsRegion: described(
    v.optional(oneOf([v.literal(""), region]), ""),
    "AWS region of the bucket. Required for checkpoints in s3://.",
  ),
  awsEndpoint: described(
    v.optional(
      oneOf([
        v.literal(""),
        pattern(/^https?:\/\/[^\s/@]+$/, {
          code: "invalid-endpoint",
          message: "is not the URL of an endpoint",
          allowed: "http(s)://<host>[:<port>]",
        }),
      ]),
      "",
    ),
    "Endpoint of S3. Empty: the endpoint of the region.",
  ),
  containerdAddress: described(
    v.optional(absolutePath, "/run/containerd/containerd.sock"),
    "Socket of containerd on the node.",
  ),
  disableIoUring: described(
    v.optional(v.boolean(), true),
    "Whether the agent disables io_uring on its node (kernel 6.6 and newer). Processes that use io_uring cannot be checkpointed.",
  ),
  shmConfig: described(v.optional(shmConfig, {}), "Shared memory of the node."),
  secrets: described(v.optional(secrets, {}), "References to Secrets. Plain values are rejected."),
  existingConfigMap: described(
    derived(dnsSubdomain, "a new ConfigMap"),
    "Name of an existing ConfigMap with the engine's configuration, to use instead of creating one. It must exist in the namespaces of manager and agent, with the keys of Cedana's chart. protocol, address and url must match it.",
  ),
  helper: described(
    v.optional(cedanaHelperSchema, {}),
    "Settings of the helper on each node, in addition to install.helper.",
  ),
  checkpoints: described(
    v.optional(cedanaCheckpointsSchema, {}),
    "Settings of Checkpoint objects, in addition to install.checkpoints.",
  ),
  manager: described(v.optional(managerSchema, {}), "Cedana's manager."),
  networkPolicies: described(
    v.optional(cedanaPoliciesSchema, {}),
    "NetworkPolicies of the manager, in addition to install.networkPolicies.",
  ),
  runtimeClass: described(
    v.optional(oneOf([off, runtimeClassSchema]), {}),
    "RuntimeClass of pods to restore. false: no RuntimeClass.",
  ),
  attachAccount: described(
    v.optional(oneOf([off, attachAccountSchema]), false),
    "ServiceAccount for the Cedana platform. false: no account.",
  ),
  dynamoWatcher: described(
    v.optional(oneOf([off, dynamoWatcherSchema]), false),
    "Watcher for NVIDIA Dynamo. false: no watcher.",
  ),
});

export const cedanaEngineSchema = titled(cedanaEngine, "Cedana's engine");

export interface CedanaEngineSpec extends v.InferInput<typeof cedanaEngineSchema> {}
export interface ResolvedCedanaEngine extends v.InferOutput<typeof cedanaEngineSchema> {}
