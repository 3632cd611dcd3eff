import {
  CHECKPOINT_POLICY,
  CLUSTER_CHECKPOINT_POLICY,
  LATEST,
  REQUEST,
  REQUESTED_AT,
  SANDBOX,
  type OwnerIdentity,
  type PolicySpec,
  type PolicyStatus,
} from "../../api";
import { readableFields } from "../../config/cel";
import {
  at,
  Interner,
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
import { parseQuantity } from "../../config/schema";
import { DEPLOYMENT_HASH, REVISION_HASH, deploymentOf, ownerOf } from "../checkpoints/owner";
import type { CheckpointFact, Policy, PolicyPod } from "./core/types";
import { lineageOf } from "./retention/lineage";

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
  /** The object that a user annotated, if there is a request: the Deployment of a ReplicaSet. */
  readonly requestedOn?: OwnerIdentity;
  /** Name of the Checkpoint that its pod template requests. */
  readonly restoreFrom?: string;
}

const workload = (apiVersion: string, kind: string, plural: string) =>
  kindOf({ apiVersion, kind, plural }, (raw): WorkloadObject => {
    const requestedAt = requestIn(raw);
    const restoreFrom = textAt(raw, "spec", "template", "metadata", "annotations", REQUEST.from);
    const metadata = metadataOf(raw);
    const { name, uid } = metadata;
    return {
      metadata,
      ...(requestedAt === undefined
        ? {}
        : { requestedAt, requestedOn: ownerOf(raw) ?? { apiVersion, kind, name, uid } }),
      ...(restoreFrom === undefined || restoreFrom === LATEST ? {} : { restoreFrom }),
    };
  });

export const JOB = workload("batch/v1", "Job", "jobs");

/** Workloads whose annotation requests checkpoints. Kubernetes copies the annotations of a Deployment to its ReplicaSet. */
export const WORKLOADS = [
  workload("apps/v1", "ReplicaSet", "replicasets"),
  workload("apps/v1", "StatefulSet", "statefulsets"),
  workload("apps/v1", "DaemonSet", "daemonsets"),
  JOB,
];

/** A pod with the fields that policies use. */
export interface PodObject extends KubernetesObject {
  readonly pod: Omit<PolicyPod, "requestedMs" | "crossings">;
  readonly ownerUID?: string;
  readonly requestedAt?: string;
  /** Its lineage, if that has several pods at a time. */
  readonly pool?: string;
  /** It ends, so it is not checkpointed any more. */
  readonly isDeleted: boolean;
  /** It was created to verify a Checkpoint: no policy selects it. */
  readonly isSandbox: boolean;
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
  const identity = ownerOf(raw);
  const requestedAt = requestIn(raw);
  const nodeName = textAt(raw, "spec", "nodeName");
  const owner = identity && shared(workloadOf(identity, labels));
  const runningSinceMs = runningSince(raw);
  const pool = identity && poolOf(metadata, identity, labels);
  const readySinceMs = readySince(raw);
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
      ...(readySinceMs === undefined ? {} : { readySinceMs }),
      ...memoryLimitsOf(raw),
      revision: shared(revisionOf(metadata, identity?.uid, owner?.name, labels)),
      restarts: restarts.reduce((sum, count) => sum + count, 0),
      containers: shared(containersOf(raw).map((one) => interner.text(textAt(one, "name") ?? ""))),
      fields: readableFields(raw, (value) => interner.value(interner.strings(value))),
    },
    ...(identity && { ownerUID: interner.text(identity.uid) }),
    ...(requestedAt === undefined ? {} : { requestedAt }),
    ...(pool === undefined ? {} : { pool: interner.text(pool) }),
    isDeleted: textAt(raw, "metadata", "deletionTimestamp") !== undefined,
    isSandbox: Object.hasOwn(labels, SANDBOX.label),
  };
}

/** Returns the owner: a Deployment instead of its ReplicaSet, whose name ends with the hash of the pod template. */
function workloadOf(
  { kind, name }: OwnerIdentity,
  labels: Readonly<Record<string, string>>,
): PolicyPod["owner"] {
  const deployment = kind === "ReplicaSet" ? deploymentOf(name, labels[DEPLOYMENT_HASH]) : name;
  return deployment === name
    ? { kind: interner.text(kind), name: interner.text(name) }
    : { kind: "Deployment", name: interner.text(deployment), replicaSet: interner.text(name) };
}

/** Returns the memory limits of a pod in bytes. */
function memoryLimitsOf(raw: Json): Pick<PolicyPod, "memoryLimits" | "podMemoryLimit"> {
  const limitIn = (json: Json | undefined) => {
    const nanos = parseQuantity(textAt(json, "resources", "limits", "memory") ?? "");
    return nanos === undefined ? undefined : Number(nanos / BILLION);
  };
  const limits = containersOf(raw).flatMap((one) => {
    const limit = limitIn(one);
    return limit === undefined ? [] : [[interner.text(textAt(one, "name") ?? ""), limit] as const];
  });
  const podMemoryLimit = limitIn(at(raw, "spec"));
  return {
    memoryLimits: limits.length === 0 ? NO_LIMITS : shared(Object.fromEntries(limits)),
    ...(podMemoryLimit === undefined ? {} : { podMemoryLimit }),
  };
}

const NO_LIMITS = {};

/** Returns one value for all equal ones: the pods of a workload have the same. */
function shared<T>(value: T): T {
  return interner.value(value as Json) as T;
}

const BILLION = 1_000_000_000n;

/** Labels with the hash of the pod template. A ReplicaSet has one template while its Deployment changes it. */
const TEMPLATE_LABELS = [REVISION_HASH, DEPLOYMENT_HASH];

/** Returns what the pods of an owner with the same template have in common. A pod without an owner is alone. */
function revisionOf(
  { uid, name }: { readonly uid: string; readonly name: string },
  ownerUID: string | undefined,
  ownerName: string | undefined,
  labels: Readonly<Record<string, string>>,
): PolicyPod["revision"] {
  if (ownerUID === undefined || ownerName === undefined) return { id: uid, name };
  const hash = TEMPLATE_LABELS.flatMap((label) => labels[label] ?? [])[0] ?? "";
  return { id: interner.text(`${ownerUID}/${hash}`), name: ownerName };
}

/** Returns since when the pod is Ready; undefined if it is not. */
function readySince(raw: Json): number | undefined {
  const ready = itemsAt(raw, "status", "conditions").find((one) => textAt(one, "type") === "Ready");
  if (textAt(ready, "status") !== "True") return undefined;
  const sinceMs = Date.parse(textAt(ready, "lastTransitionTime") ?? "");
  return Number.isNaN(sinceMs) ? undefined : sinceMs;
}

/** Returns the lineage of a pod, if that has several pods at a time. */
function poolOf(
  { namespace = "", name }: { readonly namespace?: string; readonly name: string },
  owner: OwnerIdentity,
  labels: Readonly<Record<string, string>>,
): string | undefined {
  const lineage = lineageOf({ namespace, podName: name, owner, templateHash: labels[DEPLOYMENT_HASH] });
  return lineage.isPool ? lineage.id : undefined;
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
