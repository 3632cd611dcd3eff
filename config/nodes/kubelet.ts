/**
 * `kubelet.config.k8s.io/v1beta1` KubeletConfiguration as far as a user may set it. Left out are the fields that nodeadm
 * computes from the instance and the cluster (addresses, certificates, cgroup driver, runtime endpoint, provider id):
 * setting one of them makes a node that does not join.
 */
import * as v from "valibot";
import { described, integer, pattern, rule, shape } from "../schema";
import { duration, parseQuantity, quantity } from "../schema/quantity";
import { taintSchema } from "./taint";

const MAX_INT32 = 2_147_483_647;
const flag = v.optional(v.boolean());
const count = v.optional(integer(0, MAX_INT32));
const percent = v.optional(integer(0, 100));
const text = v.optional(v.string());
const time = v.optional(duration);
const texts = v.optional(v.array(v.string()));
const quantities = v.optional(v.record(v.string(), quantity));
const textOptions = v.optional(v.record(v.string(), v.string()));
const PERCENT = /^(?:100(?:\.0+)?|\d{1,2}(?:\.\d+)?)%$/;
const isPositive = (text: string) => (parseQuantity(text) ?? 0n) > 0n;

/** Amounts of a resource by eviction signal, in the forms that the kubelet reads. */
function amounts(allowed: string, test: (text: string) => boolean) {
  const amount = v.pipe(
    v.string(),
    rule<string>({
      code: "not-a-threshold",
      test,
      message: "is not an amount or share of a resource",
      allowed,
    }),
  );
  return v.optional(v.record(v.string(), amount));
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
const choice = <const T extends readonly string[]>(values: T) => v.optional(v.picklist(values));

const logging = v.optional(
  shape({ format: choice(["text", "json"]), flushFrequency: time, verbosity: v.optional(integer(0, 10)) }),
);

export const kubeletConfigSchema = shape({
  allowedUnsafeSysctls: described(
    texts,
    "Unsafe sysctls, or patterns such as net.core.*, that pods may set.",
  ),
  containerLogMaxFiles: described(v.optional(integer(2, MAX_INT32)), "Log files kept for each container."),
  containerLogMaxSize: described(v.optional(quantity), "Size at which a container's log is rotated."),
  containerLogMaxWorkers: described(count, "Concurrent log rotations."),
  containerLogMonitorInterval: described(time, "How often the sizes of logs are looked at."),
  configMapAndSecretChangeDetectionStrategy: described(
    choice(["Get", "Cache", "Watch"]),
    "How the kubelet learns of changes.",
  ),
  cpuCFSQuota: described(flag, "Whether CPU limits are enforced by CFS quotas."),
  cpuCFSQuotaPeriod: described(
    v.optional(
      pattern(/^(?:(?:[1-9]\d{0,2}|1000)ms|1s)$/, {
        code: "not-a-period",
        message: "is not a period of CFS quotas",
        allowed: "1ms to 1000ms, such as 100ms",
      }),
    ),
    "Period of CFS quotas.",
  ),
  cpuManagerPolicy: described(choice(["none", "static"]), "Policy of the CPU manager."),
  cpuManagerPolicyOptions: described(textOptions, "Options of the CPU manager's policy."),
  cpuManagerReconcilePeriod: described(time, "How often the CPU manager reconciles."),
  crashLoopBackOff: described(
    v.optional(shape({ maxContainerRestartPeriod: time })),
    "Longest delay between restarts.",
  ),
  enableContentionProfiling: described(flag, "Profiling of lock contention."),
  enableControllerAttachDetach: described(flag, "Whether the attach/detach controller manages volumes."),
  enableDebugFlagsHandler: described(flag, "Serves /debug/flags."),
  enableDebuggingHandlers: described(
    v.optional(v.literal(true)),
    "Must stay on: exec, logs and the checkpoint endpoint are debugging handlers of the kubelet.",
  ),
  enableProfilingHandler: described(flag, "Serves /debug/pprof."),
  enableServer: described(v.optional(v.literal(true)), "Must stay on: checkpoints are asked of this server."),
  enableSystemLogHandler: described(flag, "Serves system logs."),
  enableSystemLogQuery: described(flag, "Lets system logs be queried."),
  enforceNodeAllocatable: described(
    texts,
    "What node-allocatable limits are enforced on: pods, system-reserved, ...",
  ),
  eventBurst: described(count, "Burst of event creation."),
  eventRecordQPS: described(count, "Events a second."),
  evictionHard: described(thresholds, 'Hard eviction thresholds: {"memory.available": "100Mi"}.'),
  evictionMaxPodGracePeriod: described(
    v.optional(integer(-1, MAX_INT32)),
    "Seconds, at most, for soft evictions.",
  ),
  evictionMinimumReclaim: described(reclaims, "What an eviction reclaims at least."),
  evictionPressureTransitionPeriod: described(time, "How long a pressure condition is held."),
  evictionSoft: described(thresholds, "Soft eviction thresholds."),
  evictionSoftGracePeriod: described(
    v.optional(v.record(v.string(), duration)),
    "Grace periods of soft thresholds.",
  ),
  failCgroupV1: described(flag, "Refuses to start on cgroup v1."),
  featureGates: described(
    v.optional(v.record(v.string(), v.boolean())),
    "Kubernetes feature gates of the kubelet, for instance {ContainerCheckpoint: true}.",
  ),
  fileCheckFrequency: described(time, "How often static pods are looked for."),
  httpCheckFrequency: described(time, "How often manifest URLs are read."),
  imageGCHighThresholdPercent: described(percent, "Disk use at which images are always collected."),
  imageGCLowThresholdPercent: described(percent, "Disk use down to which images are collected."),
  imageMaximumGCAge: described(time, "Age at which an unused image is collected."),
  imageMinimumGCAge: described(time, "Age below which an unused image is kept."),
  imagePullCredentialsVerificationPolicy: described(
    choice(["NeverVerify", "NeverVerifyPreloadedImages", "NeverVerifyAllowlistedImages", "AlwaysVerify"]),
    "When credentials are checked for images already present.",
  ),
  iptablesDropBit: described(v.optional(integer(0, 31)), "Bit of the mark of packets to drop."),
  iptablesMasqueradeBit: described(v.optional(integer(0, 31)), "Bit of the mark of packets to masquerade."),
  kernelMemcgNotification: described(flag, "Memory thresholds by notification instead of polling."),
  kubeAPIBurst: described(count, "Burst of requests to the API server."),
  kubeAPIQPS: described(v.optional(integer(-1, MAX_INT32)), "Requests a second to the API server."),
  kubeReserved: described(quantities, "Resources kept for Kubernetes' own daemons."),
  localStorageCapacityIsolation: described(flag, "Isolation of local ephemeral storage."),
  logging: described(logging, "The kubelet's own log."),
  makeIPTablesUtilChains: described(flag, "Whether the kubelet makes its iptables chains."),
  maxParallelImagePulls: described(v.optional(integer(1, MAX_INT32)), "Image pulls at a time."),
  maxPods: described(
    v.optional(integer(1, 737)),
    "Pods that fit on the node (737: the most that EKS allows).",
  ),
  memoryManagerPolicy: described(choice(["None", "Static"]), "Policy of the memory manager."),
  memorySwap: described(
    v.optional(shape({ swapBehavior: choice(["", "NoSwap", "LimitedSwap"]) })),
    "Use of swap by containers.",
  ),
  memoryThrottlingFactor: described(
    v.optional(
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
    "Factor for memory.high on cgroup v2.",
  ),
  nodeLeaseDurationSeconds: described(v.optional(integer(1, MAX_INT32)), "Seconds of the node's lease."),
  nodeStatusMaxImages: described(v.optional(integer(-1, MAX_INT32)), "Images told in the node's status."),
  nodeStatusReportFrequency: described(time, "How often an unchanged node status is sent."),
  nodeStatusUpdateFrequency: described(time, "How often the node's status is computed."),
  oomScoreAdj: described(v.optional(integer(-1000, 1000)), "oom_score_adj of the kubelet."),
  podPidsLimit: described(v.optional(integer(-1, Number.MAX_SAFE_INTEGER)), "Processes of a pod, at most."),
  podsPerCore: described(count, "Pods that fit on a core; 0 for no such limit."),
  protectKernelDefaults: described(flag, "Whether the kubelet fails where sysctls differ from its needs."),
  registerWithTaints: described(v.optional(v.array(taintSchema)), "Taints the node is registered with."),
  registryBurst: described(count, "Burst of image pulls."),
  registryPullQPS: described(count, "Image pulls a second."),
  reservedMemory: described(
    v.optional(v.array(shape({ numaNode: integer(0, 255), limits: v.record(v.string(), quantity) }))),
    "Memory kept back on each NUMA node.",
  ),
  reservedSystemCPUs: described(text, "CPUs kept for the system, as a CPU list: 0-1."),
  runtimeRequestTimeout: described(
    time,
    "How long the kubelet waits for the container runtime; a checkpoint is one such request.",
  ),
  seccompDefault: described(flag, "RuntimeDefault as the seccomp profile of all workloads."),
  serializeImagePulls: described(flag, "One image pull at a time."),
  shutdownGracePeriod: described(time, "How long the node's shutdown is held up for its pods, in all."),
  shutdownGracePeriodByPodPriority: described(
    v.optional(
      v.array(
        shape({
          priority: integer(-MAX_INT32 - 1, MAX_INT32),
          shutdownGracePeriodSeconds: integer(0, MAX_INT32),
        }),
      ),
    ),
    "Grace periods for each pod priority, instead of the two simple ones.",
  ),
  shutdownGracePeriodCriticalPods: described(time, "The part of shutdownGracePeriod kept for critical pods."),
  singleProcessOOMKill: described(flag, "On cgroup v2, kill one process of a container and not all."),
  streamingConnectionIdleTimeout: described(time, "How long an idle exec or port-forward stays open."),
  syncFrequency: described(time, "How often running containers are compared with their pods."),
  systemReserved: described(quantities, "Resources kept for the system's daemons."),
  topologyManagerPolicy: described(
    choice(["none", "best-effort", "restricted", "single-numa-node"]),
    "Policy of the topology manager.",
  ),
  topologyManagerPolicyOptions: described(textOptions, "Options of the topology manager's policy."),
  topologyManagerScope: described(choice(["container", "pod"]), "What the topology manager aligns."),
  userNamespaces: described(
    v.optional(shape({ idsPerPod: v.optional(integer(65_536, MAX_INT32)) })),
    "User namespaces of pods.",
  ),
  volumeStatsAggPeriod: described(time, "How often disk use of volumes is computed."),
});

/** Typed KubeletConfiguration. */
export type KubeletConfig = v.InferInput<typeof kubeletConfigSchema>;

/** `spec.kubelet` of a NodeConfig. */
export const kubeletOptionsSchema = shape({
  config: described(v.optional(kubeletConfigSchema), "KubeletConfiguration, merged over that of the AMI."),
  flags: described(
    v.optional(v.array(v.string())),
    "Command-line flags, appended to those of the AMI. A flag beats the same field of config.",
  ),
  maxPodsExpression: described(
    v.optional(v.string()),
    "CEL expression for the number of pods; config.maxPods goes before it.",
  ),
});
