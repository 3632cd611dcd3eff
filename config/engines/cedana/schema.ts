import * as v from "valibot";
import { GPU_SUPPORTS, RUNTIMES } from "../../features";
import { described, integer, pattern, region, rule, shape } from "../../schema";
import { secretRef } from "../secret";

/** A password within a URL would end up in the output; the value is not repeated, as it holds the password. */
const HTTPS_URL = /^https:\/\/[^\s/?#]+(\/[^\s?#]*)?$/;
const httpsUrl = v.pipe(
  pattern(HTTPS_URL, {
    code: "not-an-https-url",
    message: "is not an https:// URL",
    allowed: "https://<host>[/<path>], without user, query or fragment",
  }),
  rule<string>({
    code: "not-an-https-url",
    test: (value) => !HTTPS_URL.test(value) || value.includes("@") || URL.canParse(value),
    message: "has no host or port that there can be",
    allowed: "https://<host>[:<port>][/<path>]",
  }),
  rule<string>({
    code: "secret-in-plain-text",
    test: (value) => !value.includes("@"),
    message: "holds a user or password",
    allowed: "https://<host>[/<path>]",
    secret: true,
  }),
);

const absolutePath = pattern(/^\/([^\s/:]+(\/[^\s/:]+)*)?$/, {
  code: "not-an-absolute-path",
  message: "is not an absolute path",
  allowed: "a path from /, without blanks and :, without a / at its end",
});

/** A version that never moves. */
export const pinnedVersion = pattern(/^v\d+\.\d+(\.\d+)?([-.+][0-9A-Za-z.-]+)?$/, {
  code: "not-a-pinned-version",
  message: "is not a version",
  allowed: "a version such as v0.7.5; never latest",
});

const size = pattern(/^[1-9]\d*[KMG]$/, {
  code: "not-a-size",
  message: "is not a size as mount(8) reads it",
  allowed: "a number and K, M or G, such as 10G",
});

const shmConfig = shape({
  enabled: described(v.optional(v.boolean(), false), "Whether the agent remounts /dev/shm on its node."),
  size: described(v.optional(size, "10G"), "Size that /dev/shm gets."),
  minSize: described(v.optional(size, "10G"), "/dev/shm is left alone if it is at least this large."),
});

const secrets = shape({
  authToken: described(
    v.optional(secretRef, { name: "cedana-secrets", key: "auth-token" }),
    "Token of the Cedana platform. Default: key auth-token of the Secret cedana-secrets.",
  ),
  awsAccessKeyId: described(
    v.optional(secretRef),
    "Id of the static AWS key, for checkpoints in s3://. Left out, the agent gets none.",
  ),
  awsSecretAccessKey: described(
    v.optional(secretRef),
    "The static AWS key itself, for checkpoints in s3://.",
  ),
});

/**
 * The Cedana engine: what its agent and controller are told. Defaults are those of Cedana's own chart (0.7.6), save for
 * `protocol` and `address`: the agent's RPC gives root on the node to whoever reaches it, so it stays off the network.
 */
export const cedanaEngineSchema = shape({
  kind: described(v.literal("cedana"), "Cedana's own engine. Without it the engine is kubelet."),
  clusterId: described(
    pattern(/^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i, {
      code: "not-a-uuid",
      message: "is not a UUID",
      allowed:
        "the cluster's id as the Cedana platform shows it, such as 0b8f5b0e-6d0c-4b52-9f3e-3f3c8e1f7a10",
    }),
    "Id of this cluster on the Cedana platform.",
  ),
  url: described(httpsUrl, "Address of the Cedana platform, such as https://sandbox.cedana.ai."),
  runtime: described(
    v.optional(v.picklist(RUNTIMES), "containerd"),
    "What runs the containers on the nodes. Used to refuse what the agent cannot do.",
  ),
  gpu: described(
    v.optional(v.picklist(GPU_SUPPORTS), "interception"),
    "How GPU state is saved. none leaves out the GPU plugin.",
  ),
  protocol: described(
    v.optional(v.picklist(["unix", "tcp", "vsock"]), "unix"),
    "How helper and health check speak to the daemon on their node.",
  ),
  address: described(
    v.optional(
      pattern(/^(\/[^\s:]+|\[?[\w.:-]+\]?:\d{1,5})$/, {
        code: "not-an-address",
        message: "is not an address",
        allowed: "a socket path, host:port, or cid:port",
      }),
    ),
    "Where the daemon listens. Default: /run/cedana/cedana.sock with unix, 127.0.0.1:8080 with tcp; needed with vsock.",
  ),
  exposeDaemon: described(
    v.optional(v.boolean(), false),
    "Lets the daemon listen beyond the loopback address of its node. It has no authentication: whoever reaches it is root there.",
  ),
  sqsQueueUrl: described(
    v.optional(v.union([v.literal(""), httpsUrl]), ""),
    "Interruption queue that the manager reads.",
  ),
  checkpointDir: described(
    v.optional(
      pattern(/^(\/[^\s]*|[a-z0-9]+:\/\/[^\s]+)$/, {
        code: "not-a-checkpoint-directory",
        message: "is not a place for checkpoints",
        allowed: "cedana://<path>, s3://<bucket>/<path> or a directory on the node",
      }),
      "/tmp",
    ),
    "Where checkpoints go: cedana://<path>, s3://<bucket>/<path> or a directory on the node.",
  ),
  checkpointStreams: described(
    v.optional(integer(0, 64), 0),
    "Parallel streams of a checkpoint. 0: not streamed; else at least 2.",
  ),
  checkpointStreamMemoryLimitMB: described(
    v.optional(integer(1, 1_048_576), 4096),
    "Memory that streaming may take, in MB.",
  ),
  checkpointCompression: described(
    v.optional(v.picklist(["none", "tar", "lz4", "gzip", "zlib"]), "none"),
    "How checkpoints are packed.",
  ),
  checkpointAsync: described(
    v.optional(v.boolean(), false),
    "Whether a container goes on before its checkpoint is stored.",
  ),
  gpuPoolSize: described(v.optional(integer(0, 1024), 0), "GPU controllers kept ready on each node."),
  gpuShmSizeBytes: described(
    v.optional(integer(0, Number.MAX_SAFE_INTEGER), 8_589_934_592),
    "Shared memory of each GPU controller, in bytes.",
  ),
  pluginsBuilds: described(
    v.optional(v.picklist(["release", "alpha", "local"]), "release"),
    "Which builds of the plugins are fetched.",
  ),
  pluginsCriuVersion: described(v.optional(pinnedVersion, "v4.2-cedana.01"), "Version of CRIU."),
  pluginsContainerdRuntimeVersion: described(
    v.optional(pinnedVersion, "v0.7.5"),
    "Version of the containerd shim.",
  ),
  pluginsGpuVersion: described(
    v.optional(pinnedVersion, "v0.7.3"),
    "Version of the GPU plugin. Not used with gpu: none.",
  ),
  pluginsStreamerVersion: described(v.optional(pinnedVersion, "v0.1.0"), "Version of the streamer."),
  pluginsNativeVersion: described(
    v.optional(pinnedVersion),
    "Version of the plugins that come with the agent. Default: the version of the helper's image, if its tag is one; otherwise it must be given, because the agent would fetch the latest.",
  ),
  metrics: described(
    v.optional(v.boolean(), true),
    "Whether agent and manager send metrics to the platform.",
  ),
  profiling: described(v.optional(v.boolean(), true), "Whether the agent measures its own operations."),
  logLevel: described(
    v.optional(v.picklist(["trace", "debug", "info", "warn", "error", "fatal", "panic", "disabled"]), "info"),
    "What agent and manager log.",
  ),
  criuLogLevel: described(
    v.optional(integer(0, 4), 2),
    "What CRIU logs: 2 errors, 3 warnings too, 4 everything.",
  ),
  awsRegion: described(
    v.optional(v.union([v.literal(""), region]), ""),
    "Region of the bucket of checkpoints.",
  ),
  awsEndpoint: described(
    v.optional(
      v.union([
        v.literal(""),
        pattern(/^https?:\/\/[^\s/@]+$/, {
          code: "not-an-endpoint",
          message: "is not an endpoint",
          allowed: "http(s)://<host>[:<port>]",
        }),
      ]),
      "",
    ),
    "Endpoint of S3, if it is not that of the region.",
  ),
  containerdAddress: described(
    v.optional(absolutePath, "/run/containerd/containerd.sock"),
    "Socket of containerd on the node.",
  ),
  disableIoUring: described(
    v.optional(v.boolean(), true),
    "Whether the agent turns io_uring off on its node (kernel 6.6 and later). Processes that use it cannot be checkpointed.",
  ),
  shmConfig: described(v.optional(shmConfig, {}), "Shared memory of the node."),
  secrets: described(v.optional(secrets, {}), "Where secret values are kept. Values themselves are refused."),
});

export interface CedanaEngineSpec extends v.InferInput<typeof cedanaEngineSchema> {}
export interface ResolvedCedanaEngine extends v.InferOutput<typeof cedanaEngineSchema> {}
