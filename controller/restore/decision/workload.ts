import type { CheckpointObject } from "../../checkpoints/objects";
import type { AdmittedPod } from "./pod";

/** Labels that carry the hash of the pod template: of Deployments, of StatefulSets and DaemonSets. */
const DEPLOYMENT_HASH = "pod-template-hash";
const REVISION_HASH = "controller-revision-hash";

/** Characters that the API server adds to `generateName`, and how much of it it keeps. */
const SUFFIX = 5;
const LONGEST_BASE = 63 - SUFFIX;

/**
 * How a Checkpoint's pod and a pod that is admitted belong together.
 * - `same`: the new one stands for the old one
 * - `template`: it would, had the pod template not changed since
 */
export type Kinship = "same" | "template" | "none";

/** Whether `latest` may mean this Checkpoint for this pod. */
export function kinship(pod: AdmittedPod, { spec, status }: CheckpointObject): Kinship {
  const { owner } = pod;
  const was = status.owner;
  const podName = spec.podRef.name;
  if (owner === undefined) return was === undefined && pod.name === podName ? "same" : "none";
  if (was === undefined || was.kind !== owner.kind || groupOf(was) !== groupOf(owner)) return "none";
  switch (owner.kind) {
    case "ReplicaSet": {
      const hash = pod.labels[DEPLOYMENT_HASH];
      if (deploymentOf(owner.name, hash) !== deploymentOf(was.name, status.podTemplateHash)) return "none";
      return hash === status.podTemplateHash ? "same" : "template";
    }
    case "Job":
      // A Job that is made anew begins anew; an index of an indexed Job is in the beginning of its pods' names.
      return was.uid === owner.uid && isOf(pod.generateName, podName) ? "same" : "none";
    case "DaemonSet":
      return "none";
    default: {
      if (was.name !== owner.name || pod.name !== podName) return "none";
      const hash = pod.labels[REVISION_HASH];
      return hash === status.podTemplateHash ? "same" : "template";
    }
  }
}

/** What `latest` looks for, for people. */
export function workloadOf(pod: AdmittedPod): string {
  const { owner } = pod;
  if (owner === undefined) return pod.name === undefined ? "a pod without a name" : `pod ${pod.name}`;
  const hash = pod.labels[DEPLOYMENT_HASH];
  const deployment = owner.kind === "ReplicaSet" ? deploymentOf(owner.name, hash) : owner.name;
  if (owner.kind === "ReplicaSet" && deployment !== owner.name) return `Deployment ${deployment}`;
  const name = pod.name === undefined ? "" : `, pod ${pod.name}`;
  return `${owner.kind} ${owner.name}${name}`;
}

/** A Deployment names its ReplicaSets by itself and the hash. One that no Deployment made has its own name. */
function deploymentOf(replicaSet: string, hash: string | undefined): string {
  const end = `-${hash}`;
  return hash !== undefined && replicaSet.endsWith(end) ? replicaSet.slice(0, -end.length) : replicaSet;
}

function isOf(generateName: string | undefined, podName: string): boolean {
  if (generateName === undefined) return false;
  return podName.slice(0, -SUFFIX) === generateName.slice(0, LONGEST_BASE);
}

const groupOf = ({ apiVersion }: { readonly apiVersion: string }) => apiVersion.split("/", 1)[0];
