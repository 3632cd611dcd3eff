import type { MemoryTrigger } from "../../../api";
import { quantityBytes } from "../../../config/schema";
import { Interner } from "../../../kube";
import type { PodWatch, PolicyPod, Trigger } from "../core/types";

/** Part of the threshold below which it is re-armed, if the policy sets none. */
const REARM = 0.9;

/** When the memory crossed a threshold: the time that the agent of the node, or the reader of the metrics, recorded. */
export const memory: Trigger<MemoryTrigger> = {
  isRequest: true,
  next(_, { policyUID, pod: { crossings } }, afterMs) {
    const crossedMs = crossings?.[policyUID];
    return crossedMs !== undefined && crossedMs > afterMs ? crossedMs : undefined;
  },
  watch(settings, pod, containers) {
    const watch =
      settings.bytes === undefined
        ? ofLimits(settings, pod, containers ?? pod.containers)
        : ofBytes(settings, pod, containers);
    return typeof watch === "string" ? watch : { ...watch, thresholds: shared(watch.thresholds) };
  },
  // The clock of the node may be behind: a crossing is done only by itself.
  done: (dueMs) => dueMs,
};

const interner = new Interner();

/** Returns one value for all equal ones: the pods of a workload have the same. */
function shared(thresholds: PodWatch["thresholds"]): PodWatch["thresholds"] {
  return interner.value(thresholds);
}

function ofLimits(
  { percent = 100, rearmPercent = percent * REARM, forSeconds = 0 }: MemoryTrigger,
  { memoryLimits, podMemoryLimit }: PolicyPod,
  containers: readonly string[],
): PodWatch | string {
  const bounds = (limit: number) => ({
    fireBytes: Math.ceil((limit * percent) / 100),
    rearmBytes: Math.floor((limit * rearmPercent) / 100),
  });
  const thresholds = containers.flatMap((name) => {
    const limit = memoryLimits[name];
    return limit === undefined ? [] : [{ containers: [name], ...bounds(limit) }];
  });
  if (podMemoryLimit !== undefined)
    return { forSeconds, thresholds: [...thresholds, bounds(podMemoryLimit)] };
  if (thresholds.length > 0) return { forSeconds, thresholds };
  return `percent has no effect: ${listed(containers)} without a memory limit; set bytes, or resources.limits.memory`;
}

function ofBytes(
  { bytes = "", rearmBytes, forSeconds = 0 }: MemoryTrigger,
  { memoryLimits, podMemoryLimit, containers: all }: PolicyPod,
  containers: readonly string[] | undefined,
): PodWatch | string {
  const fireBytes = quantityBytes(bytes);
  const limits = (containers ?? all).map((name) => memoryLimits[name] ?? Number.POSITIVE_INFINITY);
  const limit = Math.min(
    limits.reduce((sum, one) => sum + one, 0),
    podMemoryLimit ?? Number.POSITIVE_INFINITY,
  );
  if (limit < fireBytes) return `bytes ${bytes} exceed the memory limit of ${limit} bytes`;
  const rearm = rearmBytes === undefined ? Math.floor(fireBytes * REARM) : quantityBytes(rearmBytes);
  return { forSeconds, thresholds: [{ ...(containers && { containers }), fireBytes, rearmBytes: rearm }] };
}

function listed(containers: readonly string[]): string {
  return `${containers.length === 1 ? "container" : "containers"} ${containers.join(", ")}`;
}
