import {
  CHECKPOINT_POLICY,
  CLUSTER_CHECKPOINT_POLICY,
  REQUESTED_AT,
  type PolicySpec,
  type PolicyStatus,
} from "../../api";
import {
  Interner,
  isTrueAt,
  itemsAt,
  kindOf,
  metadataOf,
  numberAt,
  projectCustomResource,
  textAt,
  textsAt,
  type CustomResource,
  type CustomResourceMetadata,
  type Json,
  type KubernetesObject,
} from "../../kube";
import { phaseOf, readyOf } from "../checkpoints/state";
import { podKeyOf } from "../checkpoints/reservations";
import { containersOf, containerStatusesOf, type CheckpointObject } from "../checkpoints/objects";
import type { CheckpointFact, Policy, PolicyPod } from "./core/types";

/** A policy of either kind. A ClusterCheckpointPolicy has no namespace. */
export interface PolicyObject extends Omit<CustomResource<PolicySpec, PolicyStatus>, "metadata"> {
  readonly metadata: Omit<CustomResourceMetadata, "namespace"> & { readonly namespace?: string };
}

export const POLICY = kindOf(CHECKPOINT_POLICY, projectPolicy);
export const CLUSTER_POLICY = kindOf(CLUSTER_CHECKPOINT_POLICY, projectPolicy);

/** A namespace, with its labels. */
export interface NamespaceObject extends KubernetesObject {
  readonly labels: Readonly<Record<string, string>>;
}

export const NAMESPACE = kindOf(
  { apiVersion: "v1", kind: "Namespace", plural: "namespaces" },
  (raw): NamespaceObject => ({ metadata: metadataOf(raw), labels: textsAt(raw, "metadata", "labels") }),
);

/** A workload that owns pods, with the request in its annotation. */
export interface WorkloadObject extends KubernetesObject {
  readonly requestedAt?: string;
}

const workload = (apiVersion: string, kind: string, plural: string) =>
  kindOf({ apiVersion, kind, plural }, (raw): WorkloadObject => {
    const requestedAt = requestIn(raw);
    return { metadata: metadataOf(raw), ...(requestedAt === undefined ? {} : { requestedAt }) };
  });

/** Workloads whose annotation requests checkpoints. Kubernetes copies the annotations of a Deployment to its ReplicaSet. */
export const WORKLOADS = [
  workload("apps/v1", "ReplicaSet", "replicasets"),
  workload("apps/v1", "StatefulSet", "statefulsets"),
  workload("apps/v1", "DaemonSet", "daemonsets"),
  workload("batch/v1", "Job", "jobs"),
];

/** A pod with the fields that policies use. */
export interface PodObject extends KubernetesObject {
  readonly pod: Omit<PolicyPod, "requestedMs">;
  readonly ownerUID?: string;
  readonly requestedAt?: string;
  /** It ends, so it is not checkpointed any more. */
  readonly isDeleted: boolean;
}

export const POLICY_POD = kindOf({ apiVersion: "v1", kind: "Pod", plural: "pods" }, projectPod);

/** What the pods of a workload and a node have in common. */
const interner = new Interner();

function projectPolicy(raw: Json): PolicyObject {
  const object = projectCustomResource<PolicySpec, PolicyStatus>(raw);
  const { namespace, ...metadata } = object.metadata;
  return { ...object, metadata: { ...metadata, ...(namespace === "" ? {} : { namespace }) } };
}

/** Returns the request in the annotation of a pod or workload. */
export function requestIn(raw: Json): string | undefined {
  return textAt(raw, "metadata", "annotations", REQUESTED_AT);
}

function projectPod(raw: Json): PodObject {
  const metadata = metadataOf(raw);
  const labels = interner.strings(textsAt(raw, "metadata", "labels"));
  const reference = itemsAt(raw, "metadata", "ownerReferences").find((one) => isTrueAt(one, "controller"));
  const ownerUID = textAt(reference, "uid");
  const requestedAt = requestIn(raw);
  const nodeName = textAt(raw, "spec", "nodeName");
  const owner = ownerOf(reference, labels);
  const runningSinceMs = runningSince(raw);
  const restarts = containerStatusesOf(raw).map((one) => numberAt(one, "restartCount") ?? 0);
  return {
    metadata,
    pod: {
      uid: metadata.uid,
      namespace: interner.text(metadata.namespace ?? ""),
      name: metadata.name,
      createdMs: Date.parse(textAt(raw, "metadata", "creationTimestamp") ?? ""),
      labels,
      ...(owner && { owner }),
      ...(nodeName === undefined ? {} : { nodeName: interner.text(nodeName) }),
      phase: interner.text(textAt(raw, "status", "phase") ?? "Pending"),
      ...(runningSinceMs === undefined ? {} : { runningSinceMs }),
      restarts: restarts.reduce((sum, count) => sum + count, 0),
      containers: containersOf(raw).map((one) => interner.text(textAt(one, "name") ?? "")),
    },
    ...(ownerUID === undefined ? {} : { ownerUID: interner.text(ownerUID) }),
    ...(requestedAt === undefined ? {} : { requestedAt }),
    isDeleted: textAt(raw, "metadata", "deletionTimestamp") !== undefined,
  };
}

/** Returns the owner: a Deployment instead of its ReplicaSet, whose name ends with the hash of the pod template. */
function ownerOf(
  reference: Json | undefined,
  labels: Readonly<Record<string, string>>,
): PolicyPod["owner"] | undefined {
  const [kind, name] = [textAt(reference, "kind"), textAt(reference, "name")];
  if (kind === undefined || name === undefined) return undefined;
  const end = `-${labels["pod-template-hash"]}`;
  return kind === "ReplicaSet" && name.endsWith(end)
    ? { kind: "Deployment", name: interner.text(name.slice(0, -end.length)), replicaSet: interner.text(name) }
    : { kind: interner.text(kind), name: interner.text(name) };
}

/** Returns since when all containers run: the last start. Undefined if one does not run. */
function runningSince(raw: Json): number | undefined {
  const statuses = itemsAt(raw, "status", "containerStatuses");
  const starts = statuses.map((one) => Date.parse(textAt(one, "state", "running", "startedAt") ?? ""));
  return starts.length === 0 || starts.some(Number.isNaN) ? undefined : Math.max(...starts);
}

const RFC3339 = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})$/;

/** Returns the time of a request; undefined if there is none or it is not in the format of RFC 3339. */
export function requestMs(text: string | undefined): number | undefined {
  if (text === undefined || !RFC3339.test(text)) return undefined;
  const timeMs = Date.parse(text);
  return Number.isNaN(timeMs) ? undefined : timeMs;
}

/** Returns the policy, in force since its creation; since now if it was changed while no controller led. */
export function toPolicy({ metadata, spec, status }: PolicyObject, nowMs: number): Policy {
  const { uid, name, namespace, generation, creationTimestamp } = metadata;
  const { observedGeneration } = status;
  const isChanged = observedGeneration !== undefined && observedGeneration !== generation;
  return {
    uid,
    name,
    ...(namespace === undefined ? {} : { namespace }),
    generation,
    sinceMs: isChanged ? nowMs : Date.parse(creationTimestamp),
    spec,
  };
}

export function toFact(object: CheckpointObject): CheckpointFact {
  const { metadata, spec, status } = object;
  const podUID = status.podUID ?? spec.podRef.uid;
  const phase = phaseOf(status);
  const { reason, message } = readyOf(status) ?? {};
  return {
    key: `${metadata.namespace}/${metadata.name}`,
    pod: podKeyOf(object),
    ...(podUID === undefined ? {} : { podUID }),
    ...(status.nodeName === undefined ? {} : { nodeName: status.nodeName }),
    ...(metadata.policy === undefined
      ? {}
      : { policyUID: metadata.policy.uid, dueMs: requestMs(metadata.policy.due) }),
    createdMs: Date.parse(metadata.creationTimestamp),
    state:
      phase === "failed" ? "failed" : phase === "completed" || phase === "missing" ? "completed" : "open",
    ...(status.completionTime === undefined ? {} : { endedMs: Date.parse(status.completionTime) }),
    ...(reason === undefined ? {} : { reason }),
    ...(message === undefined ? {} : { message }),
  };
}
