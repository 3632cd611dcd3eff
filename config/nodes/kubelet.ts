/**
 * Fields of KubeletConfiguration (`kubelet.config.k8s.io/v1beta1`) that a user may set. Fields that nodeadm derives from
 * the instance and the cluster (addresses, certificates, cgroup driver, runtime endpoint, provider id) are excluded: with
 * a different value the node does not join the cluster.
 */
import * as v from "../schema/valibot";
import { derived, described, integer, pattern, rule, mapping, shape } from "../schema";
import { duration, parseQuantity, quantity } from "../schema/quantity";
import { taintSchema } from "./taint";

/** Timeout of requests to the container runtime on nodes with checkpointing. Cedana's agent sets the same value. */
export const RUNTIME_REQUEST_TIMEOUT = "10m";
/** Graceful shutdown of nodes with checkpointing. Since Kubernetes 1.34 the AMI sets the same values. */
export const SHUTDOWN = { shutdownGracePeriod: "2m30s", shutdownGracePeriodCriticalPods: "30s" } as const;

const MAX_INT32 = 2_147_483_647;
/** Returns the schema of an optional field. Without a value the node keeps that of its AMI. */
const optional = <const S extends v.GenericSchema>(schema: S) =>
  derived(schema, "that of the AMI, or the kubelet's");
const flag = optional(v.boolean());
const count = optional(integer(0, MAX_INT32));
const percent = optional(integer(0, 100));
const text = optional(v.string());
const time = optional(duration);
const texts = optional(v.array(v.string()));
const quantities = optional(mapping(v.string(), quantity));
const textOptions = optional(mapping(v.string(), v.string()));
const PERCENT = /^(?:100(?:\.0+)?|\d{1,2}(?:\.\d+)?)%$/;
const isPositive = (text: string) => (parseQuantity(text) ?? 0n) > 0n;

/** Returns the schema of resource amounts by eviction signal, in the formats of the kubelet. */
function amounts(allowed: string, test: (text: string) => boolean) {
  const amount = v.pipe(
    v.string(),
    rule<string>({
      code: "invalid-eviction-threshold",
      test,
      message: "is not a quantity or percentage of a resource",
      allowed,
    }),
  );
  return optional(mapping(v.string(), amount));
}

const thresholds = amounts(
  "a quantity above zero or a percentage, such as 100Mi or 10%",
  (text) => PERCENT.test(text) || isPositive(text),
);
const reclaims = amounts(
  "a quantity or a percentage above zero, such as 500Mi or 5%",
  (text) =>
    (PERCENT.test(text) && Number.parseFloat(text) > 0) || isPositive(text) || parseQuantity(text) === 0n,
);
const choice = <const T extends readonly string[]>(values: T) => optional(v.picklist(values));

const logging = optional(
  shape({
    format: described(choice(["text", "json"]), "Format of the log."),
    flushFrequency: described(time, "Maximum time between two flushes of the log."),
    verbosity: described(optional(integer(0, 10)), "Verbosity of the log. 0 logs the least."),
  }),
);

export const kubeletConfigSchema = shape({
  allowedUnsafeSysctls: described(
    texts,
    "Unsafe sysctls, or patterns such as net.core.*, that pods may set.",
  ),
  containerLogMaxFiles: described(
    optional(integer(2, MAX_INT32)),
    "Maximum number of log files of a container.",
  ),
  containerLogMaxSize: described(optional(quantity), "Size at which a container's log is rotated."),
  containerLogMaxWorkers: described(count, "Number of log rotations that run concurrently."),
  containerLogMonitorInterval: described(time, "Interval at which the sizes of container logs are checked."),
  configMapAndSecretChangeDetectionStrategy: described(
    choice(["Get", "Cache", "Watch"]),
    "How the kubelet detects changes of ConfigMaps and Secrets.",
  ),
  cpuCFSQuota: described(flag, "Whether CFS quotas enforce CPU limits."),
  cpuCFSQuotaPeriod: described(
    optional(
      pattern(/^(?:(?:[1-9]\d{0,2}|1000)ms|1s)$/, {
        code: "invalid-cfs-quota-period",
        message: "is not a CFS quota period",
        allowed: "1ms to 1000ms, such as 100ms",
      }),
    ),
    "Period of the CFS quotas.",
  ),
  cpuManagerPolicy: described(choice(["none", "static"]), "Policy of the CPU manager."),
  cpuManagerPolicyOptions: described(textOptions, "Options of the CPU manager's policy."),
  cpuManagerReconcilePeriod: described(time, "Interval at which the CPU manager reconciles."),
  crashLoopBackOff: described(
    optional(
      shape({
        maxContainerRestartPeriod: described(time, "Maximum delay between two restarts of a container."),
      }),
    ),
    "Backoff of container restarts.",
  ),
  enableContentionProfiling: described(flag, "Whether lock contention is profiled."),
  enableControllerAttachDetach: described(
    flag,
    "Whether the attach/detach controller attaches and detaches volumes.",
  ),
  enableDebugFlagsHandler: described(flag, "Whether the kubelet serves /debug/flags."),
  enableDebuggingHandlers: described(
    optional(v.literal(true)),
    "Must be true: the checkpoint endpoint, exec and logs are debugging handlers of the kubelet.",
  ),
  enableProfilingHandler: described(flag, "Whether the kubelet serves /debug/pprof."),
  enableServer: described(
    optional(v.literal(true)),
    "Must be true: this server has the checkpoint endpoint.",
  ),
  enableSystemLogHandler: described(flag, "Whether the kubelet serves system logs."),
  enableSystemLogQuery: described(flag, "Whether system logs can be queried."),
  enforceNodeAllocatable: described(
    texts,
    "Groups on which node-allocatable limits are enforced: pods, system-reserved, kube-reserved.",
  ),
  eventBurst: described(count, "Maximum burst of event creations."),
  eventRecordQPS: described(count, "Maximum number of events per second."),
  evictionHard: described(thresholds, 'Hard eviction thresholds, such as {"memory.available": "100Mi"}.'),
  evictionMaxPodGracePeriod: described(
    optional(integer(-1, MAX_INT32)),
    "Maximum grace period of pods in a soft eviction, in seconds.",
  ),
  evictionMinimumReclaim: described(reclaims, "Minimum amount of a resource that an eviction reclaims."),
  evictionPressureTransitionPeriod: described(
    time,
    "How long the kubelet waits before it clears a pressure condition.",
  ),
  evictionSoft: described(thresholds, "Soft eviction thresholds."),
  evictionSoftGracePeriod: described(
    optional(mapping(v.string(), duration)),
    "Grace periods of the soft eviction thresholds.",
  ),
  failCgroupV1: described(flag, "Whether the kubelet fails to start on cgroup v1."),
  featureGates: described(
    optional(mapping(v.string(), v.boolean())),
    "Feature gates of the kubelet, such as {ContainerCheckpoint: true}.",
  ),
  fileCheckFrequency: described(time, "Interval at which the files of static pods are checked."),
  httpCheckFrequency: described(time, "Interval at which manifest URLs are checked."),
  imageGCHighThresholdPercent: described(
    percent,
    "Disk usage, in percent, above which unused images are always removed.",
  ),
  imageGCLowThresholdPercent: described(
    percent,
    "Disk usage, in percent, below which unused images are never removed.",
  ),
  imageMaximumGCAge: described(time, "Maximum age of an unused image."),
  imageMinimumGCAge: described(time, "Minimum age of an unused image before it is removed."),
  imagePullCredentialsVerificationPolicy: described(
    choice(["NeverVerify", "NeverVerifyPreloadedImages", "NeverVerifyAllowlistedImages", "AlwaysVerify"]),
    "When credentials are verified for images that are already on the node.",
  ),
  iptablesDropBit: described(optional(integer(0, 31)), "Bit of the packet mark for packets to drop."),
  iptablesMasqueradeBit: described(
    optional(integer(0, 31)),
    "Bit of the packet mark for packets to masquerade.",
  ),
  kernelMemcgNotification: described(
    flag,
    "Whether memory thresholds use kernel notifications instead of polling.",
  ),
  kubeAPIBurst: described(count, "Maximum burst of requests to the API server."),
  kubeAPIQPS: described(
    optional(integer(-1, MAX_INT32)),
    "Maximum number of requests per second to the API server.",
  ),
  kubeReserved: described(quantities, "Resources reserved for the daemons of Kubernetes."),
  localStorageCapacityIsolation: described(flag, "Whether local ephemeral storage is isolated."),
  logging: described(logging, "Log of the kubelet."),
  makeIPTablesUtilChains: described(flag, "Whether the kubelet creates its iptables chains."),
  maxParallelImagePulls: described(
    optional(integer(1, MAX_INT32)),
    "Maximum number of concurrent image pulls.",
  ),
  maxPods: described(optional(integer(1, 737)), "Maximum number of pods on the node. EKS allows 737."),
  memoryManagerPolicy: described(choice(["None", "Static"]), "Policy of the memory manager."),
  memorySwap: described(
    optional(
      shape({
        swapBehavior: described(
          choice(["", "NoSwap", "LimitedSwap"]),
          "Whether containers may use swap. The empty text means NoSwap.",
        ),
      }),
    ),
    "Use of swap memory by containers.",
  ),
  memoryThrottlingFactor: described(
    optional(
      v.pipe(
        v.number(),
        rule<number>({
          code: "out-of-range",
          test: (factor) => factor > 0 && factor <= 1,
          message: "is not a factor for memory.high",
          allowed: "more than 0, at most 1",
          jsonSchema: { exclusiveMinimum: 0, maximum: 1 },
        }),
      ),
    ),
    "Factor from which memory.high is computed, on cgroup v2.",
  ),
  nodeLeaseDurationSeconds: described(
    optional(integer(1, MAX_INT32)),
    "Duration of the node's lease, in seconds.",
  ),
  nodeStatusMaxImages: described(
    optional(integer(-1, MAX_INT32)),
    "Maximum number of images in the node's status. -1: no limit.",
  ),
  nodeStatusReportFrequency: described(time, "Interval at which an unchanged node status is reported."),
  nodeStatusUpdateFrequency: described(time, "Interval at which the node's status is computed."),
  oomScoreAdj: described(optional(integer(-1000, 1000)), "oom_score_adj of the kubelet process."),
  podPidsLimit: described(
    optional(integer(-1, Number.MAX_SAFE_INTEGER)),
    "Maximum number of processes in a pod. -1: no limit.",
  ),
  podsPerCore: described(count, "Maximum number of pods per core. 0: no limit."),
  protectKernelDefaults: described(
    flag,
    "Whether the kubelet fails if kernel parameters differ from its defaults.",
  ),
  registerWithTaints: described(
    optional(v.array(taintSchema)),
    "Must not be set: the toolkit derives it from taints and startupTaint.",
  ),
  registryBurst: described(count, "Maximum burst of image pulls."),
  registryPullQPS: described(count, "Maximum number of image pulls per second."),
  reservedMemory: described(
    optional(
      v.array(
        shape({
          numaNode: described(integer(0, 255), "Index of the NUMA node."),
          limits: described(mapping(v.string(), quantity), "Memory to reserve, by type."),
        }),
      ),
    ),
    "Memory reserved on each NUMA node.",
  ),
  reservedSystemCPUs: described(text, "CPUs reserved for the system, as a CPU list such as 0-1."),
  runtimeRequestTimeout: described(
    derived(duration, `${RUNTIME_REQUEST_TIMEOUT} if checkpointing is true, else that of the AMI`),
    "Timeout of requests to the container runtime. A checkpoint is one such request.",
  ),
  seccompDefault: described(flag, "Whether RuntimeDefault is the default seccomp profile of all workloads."),
  serializeImagePulls: described(flag, "Whether images are pulled one at a time."),
  shutdownGracePeriod: described(
    derived(duration, `${SHUTDOWN.shutdownGracePeriod} if checkpointing is true, else that of the AMI`),
    "How long the shutdown of the node waits for its pods, in total.",
  ),
  shutdownGracePeriodByPodPriority: described(
    optional(
      v.array(
        shape({
          priority: described(integer(-MAX_INT32 - 1, MAX_INT32), "Priority of the pods."),
          shutdownGracePeriodSeconds: described(
            integer(0, MAX_INT32),
            "Grace period of pods with this priority or higher, in seconds.",
          ),
        }),
      ),
    ),
    "Grace periods by pod priority, instead of shutdownGracePeriod and shutdownGracePeriodCriticalPods.",
  ),
  shutdownGracePeriodCriticalPods: described(
    derived(
      duration,
      `${SHUTDOWN.shutdownGracePeriodCriticalPods} if checkpointing is true, else that of the AMI`,
    ),
    "Part of shutdownGracePeriod that is reserved for critical pods.",
  ),
  singleProcessOOMKill: described(
    flag,
    "Whether an OOM kill ends one process of a container instead of all, on cgroup v2.",
  ),
  streamingConnectionIdleTimeout: described(time, "Timeout of an idle exec or port-forward connection."),
  syncFrequency: described(time, "Interval at which running containers are synchronized with their pods."),
  systemReserved: described(quantities, "Resources reserved for the daemons of the system."),
  topologyManagerPolicy: described(
    choice(["none", "best-effort", "restricted", "single-numa-node"]),
    "Policy of the topology manager.",
  ),
  topologyManagerPolicyOptions: described(textOptions, "Options of the topology manager's policy."),
  topologyManagerScope: described(choice(["container", "pod"]), "Unit that the topology manager aligns."),
  userNamespaces: described(
    optional(
      shape({
        idsPerPod: described(optional(integer(65_536, MAX_INT32)), "Number of user ids of each pod."),
      }),
    ),
    "User namespaces of pods.",
  ),
  volumeStatsAggPeriod: described(time, "Interval at which the disk usage of volumes is computed."),
});

/** Describes KubeletConfiguration with the fields that a user may set. */
export type KubeletConfig = v.InferInput<typeof kubeletConfigSchema>;

/** Describes `spec.kubelet` of a NodeConfig. */
export const kubeletOptionsSchema = shape({
  config: described(
    derived(kubeletConfigSchema, "that of the AMI"),
    "KubeletConfiguration, merged into that of the AMI.",
  ),
  flags: described(
    derived(v.array(v.string()), "none"),
    "Command-line flags, in addition to those of the AMI. A flag overrides the corresponding field of config.",
  ),
  maxPodsExpression: described(
    derived(v.string(), "that of EKS"),
    "CEL expression that computes the maximum number of pods. config.maxPods overrides it.",
  ),
});
