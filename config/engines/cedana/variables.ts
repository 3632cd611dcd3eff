import { createHash } from "node:crypto";
import type { ResolvedCedanaEngine } from "./schema";
import type { SecretRef } from "../../secret";
import { listenAddress } from "./address";

type Reader = "node-agent" | "manager" | "dynamo";

/** Describes a key of the ConfigMap: its value, and the environment variables with which programs read it. */
interface ConfigKey {
  readonly key: string;
  readonly value: (engine: ResolvedCedanaEngine, native: string) => string | number | boolean;
  readonly variables: readonly string[];
  readonly readers: readonly Reader[];
}

const AGENT: readonly Reader[] = ["node-agent"];
const ALL_READERS: readonly Reader[] = ["node-agent", "manager", "dynamo"];

/** Keys and variables that Cedana's published images read (chart 0.7.6, `pkg/config/types.go`, `install-plugins.sh`). */
const KEYS: readonly ConfigKey[] = [
  key("cluster-id", "CEDANA_CLUSTER_ID", ALL_READERS, (e) => e.clusterId),
  key("url", "CEDANA_URL", ALL_READERS, (e) => e.url),
  key("address", "CEDANA_ADDRESS", AGENT, (e) => listenAddress(e) ?? ""),
  key("protocol", "CEDANA_PROTOCOL", AGENT, (e) => e.protocol),
  key("sqs-queue-url", "CEDANA_SQS_QUEUE_URL", ["manager"], (e) => e.sqsQueueUrl),
  key("checkpoint-dir", "CEDANA_CHECKPOINT_DIR", AGENT, (e) => e.checkpointDir),
  key("checkpoint-streams", "CEDANA_CHECKPOINT_STREAMS", AGENT, (e) => e.checkpointStreams),
  key(
    "checkpoint-stream-memory-limit",
    "CEDANA_CHECKPOINT_STREAM_MEMORY_LIMIT",
    AGENT,
    (e) => e.checkpointStreamMemoryLimitMB,
  ),
  key("checkpoint-compression", "CEDANA_CHECKPOINT_COMPRESSION", AGENT, (e) => e.checkpointCompression),
  key("checkpoint-async", "CEDANA_CHECKPOINT_ASYNC", AGENT, (e) => e.checkpointAsync),
  key("gpu-pool-size", "CEDANA_GPU_POOL_SIZE", AGENT, (e) => e.gpuPoolSize),
  key("gpu-shm-size", "CEDANA_GPU_SHM_SIZE", AGENT, (e) => e.gpuShmSizeBytes),
  key("plugins-builds", "CEDANA_PLUGINS_BUILDS", AGENT, (e) => e.pluginsBuilds),
  key("plugins-native-version", "CEDANA_PLUGINS_NATIVE_VERSION", AGENT, (_, native) => native),
  key("plugins-criu-version", "CEDANA_PLUGINS_CRIU_VERSION", AGENT, (e) => e.pluginsCriuVersion),
  key(
    "plugins-containerd-runtime-version",
    "CEDANA_PLUGINS_CONTAINERD_RUNTIME_VERSION",
    AGENT,
    (e) => e.pluginsContainerdRuntimeVersion,
  ),
  key("plugins-gpu-version", "CEDANA_PLUGINS_GPU_VERSION", AGENT, (e) =>
    e.gpu === "none" ? "none" : e.pluginsGpuVersion,
  ),
  key("plugins-streamer-version", "CEDANA_PLUGINS_STREAMER_VERSION", AGENT, (e) => e.pluginsStreamerVersion),
  key("metrics", "CEDANA_METRICS_ENABLED", ["node-agent", "manager"], (e) => e.metrics),
  key("profiling", "CEDANA_PROFILING_ENABLED", AGENT, (e) => e.profiling),
  {
    key: "log-level",
    variables: ["CEDANA_LOG_LEVEL", "CEDANA_LOG_LEVEL_NO_SERVER"],
    readers: ALL_READERS,
    value: (e) => e.logLevel,
  },
  key("criu-log-level", "CEDANA_CRIU_LOG_LEVEL", AGENT, (e) => e.criuLogLevel),
  key("aws-region", "AWS_REGION", AGENT, (e) => e.awsRegion),
  key("aws-endpoint", "AWS_ENDPOINT", AGENT, (e) => e.awsEndpoint),
  key("containerd-address", "CONTAINERD_ADDRESS", AGENT, (e) => e.containerdAddress),
  key("disable-io-uring", "DISABLE_IO_URING", AGENT, (e) => e.disableIoUring),
  key("shm-config-enabled", "SHM_CONFIG_ENABLED", AGENT, (e) => e.shmConfig.enabled),
  key("shm-config-size", "SHM_CONFIG_SIZE", AGENT, (e) => e.shmConfig.size),
  key("shm-config-min-size", "SHM_CONFIG_MIN_SIZE", AGENT, (e) => e.shmConfig.minSize),
];

/** Environment variables of the agent with constant values. */
export const AGENT_LITERALS: Readonly<Record<string, string>> = {
  CEDANA_CRIU_MANAGE_CGROUPS: "cg_none",
  CONTAINERD_CONFIG_PATH: "/etc/containerd/config.toml",
  CEDANA_CLIENT_WAIT_FOR_READY: "true",
  CEDANA_DB_REMOTE: "true",
};

const SECRET_VARIABLES = ["CEDANA_AUTH_TOKEN", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"];

/** Environment variables that the install sets in helper and health check. */
export const AGENT_VARIABLES: ReadonlySet<string> = new Set([
  ...variablesOf("node-agent").map(({ name }) => name),
  ...Object.keys(AGENT_LITERALS),
  ...SECRET_VARIABLES,
]);

/** Environment variables that the install sets in manager and Dynamo watcher. */
export const MANAGER_VARIABLES: ReadonlySet<string> = new Set([
  ...variablesOf("manager").map(({ name }) => name),
  "CEDANA_AUTH_TOKEN",
  "KUBERNETES_CLUSTER_DOMAIN",
  "CONTROLLER_NAMESPACE",
  "CEDANA_TAINT_NODES",
  "CEDANA_DYNAMO_CREATE_LB",
]);

function key(
  name: string,
  variable: string,
  readers: readonly Reader[],
  value: ConfigKey["value"],
): ConfigKey {
  return { key: name, variables: [variable], readers, value };
}

/** Returns the data of the ConfigMap. All values are strings. */
export function configData(engine: ResolvedCedanaEngine, native: string): Record<string, string> {
  return Object.fromEntries(KEYS.map(({ key, value }) => [key, String(value(engine, native))]));
}

/** Returns the variables that a program reads from the ConfigMap, in the order of its keys. */
export function variablesOf(reader: Reader): { readonly name: string; readonly key: string }[] {
  return KEYS.filter(({ readers }) => readers.includes(reader)).flatMap(({ key, variables }) =>
    // Only the agent reads the second variable of log-level.
    variables.slice(0, reader === "node-agent" ? undefined : 1).map((name) => ({ name, key })),
  );
}

/** Returns the variables that a program reads from Secrets. Variables without a reference are omitted. */
export function secretVariables(
  engine: ResolvedCedanaEngine,
  reader: Reader,
): { readonly name: string; readonly ref: SecretRef }[] {
  const { authToken, awsAccessKeyId, awsSecretAccessKey } = engine.secrets;
  const all = [
    { name: "CEDANA_AUTH_TOKEN", ref: authToken },
    ...(reader === "node-agent"
      ? [
          { name: "AWS_ACCESS_KEY_ID", ref: awsAccessKeyId },
          { name: "AWS_SECRET_ACCESS_KEY", ref: awsSecretAccessKey },
        ]
      : []),
  ];
  return all.flatMap(({ name, ref }) => (ref === undefined ? [] : [{ name, ref }]));
}

/**
 * Returns the SHA-256 of the configuration that a program reads, or of the whole configuration. It is an annotation of the
 * pods: a changed value restarts only the pods that read it. A restart of the helper stops the daemon of its node.
 */
export function configHash(engine: ResolvedCedanaEngine, native: string, reader?: Reader): string {
  const data = KEYS.filter(({ readers }) => reader === undefined || readers.includes(reader)).map(
    ({ key, value }) => [key, String(value(engine, native))],
  );
  const secrets = secretVariables(engine, reader ?? "node-agent");
  return createHash("sha256")
    .update(JSON.stringify([data, secrets]))
    .digest("hex");
}
