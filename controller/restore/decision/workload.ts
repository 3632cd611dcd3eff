import type { CheckpointObject } from "../../checkpoints/objects";
import type { AdmittedPod } from "./pod";

/** Labels that carry the hash of the pod template: of Deployments, of StatefulSets and DaemonSets. */
const DEPLOYMENT_HASH = "pod-template-hash";
const REVISION_HASH = "controller-revision-hash";

/** Number of characters that the API server appends to `generateName`, and how many it keeps. */
const SUFFIX = 5;
const LONGEST_BASE = 63 - SUFFIX;

/**
 * Relation of the pod of a Checkpoint and a pod in admission.
 * - `same`: the new pod replaces the old one
 * - `otherTemplate`: it replaces it, but the pod template has changed
 * - `none`: they belong to different workloads
 */
export type WorkloadMatch = "same" | "otherTemplate" | "none";

/** Checks whether `latest` may select this Checkpoint for this pod. */
export function matchWorkload(pod: AdmittedPod, { spec, status }: CheckpointObject): WorkloadMatch {
  const { owner } = pod;
  const source = status.owner;
  const podName = spec.podRef.name;
  if (owner === undefined) return source === undefined && pod.name === podName ? "same" : "none";
  if (source === undefined || source.kind !== owner.kind || groupOf(source) !== groupOf(owner)) return "none";
  switch (owner.kind) {
    case "ReplicaSet": {
      const hash = pod.labels[DEPLOYMENT_HASH];
      if (deploymentOf(owner.name, hash) !== deploymentOf(source.name, status.podTemplateHash)) return "none";
      return hash === status.podTemplateHash ? "same" : "otherTemplate";
    }
    case "Job":
      // A recreated Job starts fresh. The pods of an indexed Job have the index in their names' prefix.
      return source.uid === owner.uid && hasPrefix(pod.generateName, podName) ? "same" : "none";
    case "DaemonSet":
      return "none";
    default: {
      if (source.name !== owner.name || pod.name !== podName) return "none";
      const hash = pod.labels[REVISION_HASH];
      return hash === status.podTemplateHash ? "same" : "otherTemplate";
    }
  }
}

/** Returns the name of the workload, for messages. */
export function workloadOf(pod: AdmittedPod): string {
  const { owner } = pod;
  if (owner === undefined) return pod.name === undefined ? "a pod without a name" : `pod ${pod.name}`;
  const hash = pod.labels[DEPLOYMENT_HASH];
  const deployment = owner.kind === "ReplicaSet" ? deploymentOf(owner.name, hash) : owner.name;
  if (owner.kind === "ReplicaSet" && deployment !== owner.name) return `Deployment ${deployment}`;
  const name = pod.name === undefined ? "" : `, pod ${pod.name}`;
  return `${owner.kind} ${owner.name}${name}`;
}

/** Returns the name of the ReplicaSet's Deployment, or its own name if it has none. */
function deploymentOf(replicaSet: string, hash: string | undefined): string {
  const end = `-${hash}`;
  return hash !== undefined && replicaSet.endsWith(end) ? replicaSet.slice(0, -end.length) : replicaSet;
}

function hasPrefix(generateName: string | undefined, podName: string): boolean {
  if (generateName === undefined) return false;
  return podName.slice(0, -SUFFIX) === generateName.slice(0, LONGEST_BASE);
}

const groupOf = ({ apiVersion }: { readonly apiVersion: string }) => apiVersion.split("/", 1)[0];
