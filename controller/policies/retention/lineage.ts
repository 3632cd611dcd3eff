import { deploymentOf } from "../../checkpoints/owner";

/** What Checkpoints and pods have in common that tells their workload. */
export interface WorkloadOfPod {
  readonly namespace: string;
  readonly podName: string;
  /** The controller that owns the pod: the ReplicaSet of a Deployment. */
  readonly owner?: {
    readonly apiVersion: string;
    readonly kind: string;
    readonly name: string;
    readonly uid: string;
  };
  /** Hash of the pod template, from which the name of a ReplicaSet is that of its Deployment and the hash. */
  readonly templateHash?: string | undefined;
  readonly nodeName?: string;
}

/** The pods of a workload that continue each other's state. */
export interface Lineage {
  /** The same for all pods of the lineage. */
  readonly id: string;
  /** Whether several of its pods run at a time, and any new pod can be restored from any of them. */
  readonly isPool: boolean;
  /** UID of the Job. A Job with another UID is another workload. */
  readonly jobUID?: string;
}

/** Number of characters that the API server appends to the name of a Job's pod. */
const SUFFIX = 5;

/**
 * Returns the lineage of a pod, as the restore of `latest` groups Checkpoints, but across pod templates: a Deployment, the pod of
 * a name of a StatefulSet, a Job (of an indexed one, an index), a pod without an owner. `latest` selects none of a DaemonSet: its
 * pods of a node are a lineage.
 */
export function lineageOf({ namespace, podName, owner, templateHash, nodeName }: WorkloadOfPod): Lineage {
  if (owner === undefined) return { id: idOf(namespace, "Pod", podName), isPool: false };
  const { apiVersion, kind, name, uid } = owner;
  const id = (...parts: readonly string[]) =>
    idOf(namespace, apiVersion.split("/", 1)[0] ?? "", kind, ...parts);
  switch (kind) {
    case "ReplicaSet":
      return { id: id(deploymentOf(name, templateHash)), isPool: true };
    case "Job":
      return { id: id(uid, podName.slice(0, -SUFFIX)), isPool: true, jobUID: uid };
    case "DaemonSet":
      return { id: id(name, nodeName ?? ""), isPool: false };
    default:
      return { id: id(name, podName), isPool: false };
  }
}

/** No name of an object has a space. */
const idOf = (...parts: readonly string[]) => parts.join(" ");
