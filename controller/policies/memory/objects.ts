import {
  NODE_LABEL,
  NODE_MEMORY_WATCH,
  nodeLabelValue,
  type MemoryCrossing,
  type MemoryWatch,
  type NodeMemoryWatchSpec,
  type NodeMemoryWatchStatus,
} from "../../../api";
import { Interner, kindOf, projectCustomResource, type CustomResource, type Json } from "../../../kube";

/** A NodeMemoryWatch, with the times of crossings by pod and policy. */
export interface WatchObject extends CustomResource<NodeMemoryWatchSpec, NodeMemoryWatchStatus> {
  /** Milliseconds by UID of the policy, by UID of the pod. */
  readonly crossings: ReadonlyMap<string, Readonly<Record<string, number>>>;
}

export const WATCH = kindOf(NODE_MEMORY_WATCH, (raw: Json): WatchObject => {
  const object = projectCustomResource<NodeMemoryWatchSpec, NodeMemoryWatchStatus>(raw);
  const watches = (object.spec.watches ?? []).map(shared);
  const spec = { ...object.spec, watches };
  return { ...object, spec, crossings: byPod(watches, object.status.crossings ?? []) };
});

const interner = new Interner();

/** Returns the watch, and shares its values with equal watches: a cluster has one for each watched pod. */
function shared(watch: MemoryWatch): MemoryWatch {
  return {
    ...watch,
    policyUID: interner.text(watch.policyUID),
    thresholds: interner.value(interner.strings(watch.thresholds)),
  };
}

/** Only crossings of watches in the spec count: the agent of a node reports about no other pods. */
function byPod(
  watches: readonly MemoryWatch[],
  crossings: readonly MemoryCrossing[],
): ReadonlyMap<string, Readonly<Record<string, number>>> {
  const times = new Map(crossings.map(({ id, time }) => [id, Date.parse(time)]));
  const found = new Map<string, Record<string, number>>();
  for (const { id, podUID, policyUID } of watches) {
    const timeMs = times.get(id);
    if (timeMs === undefined || Number.isNaN(timeMs)) continue;
    const ofPod = found.get(podUID) ?? {};
    ofPod[policyUID] = timeMs;
    found.set(podUID, ofPod);
  }
  return found;
}

/** Returns the name of the object of a node. */
export const watchName = nodeLabelValue;

/** Returns the object of a node. */
export function watchObject(namespace: string, nodeName: string, watches: readonly MemoryWatch[]) {
  const spec: NodeMemoryWatchSpec = { nodeName, watches };
  const labels = { [NODE_LABEL]: nodeLabelValue(nodeName) };
  return { metadata: { namespace, name: watchName(nodeName), labels }, spec };
}
