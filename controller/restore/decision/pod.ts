import { containersOf, type CheckpointObject } from "../../checkpoints/objects";
import { DEPLOYMENT_HASH, deploymentOf, ownerOf, REVISION_HASH } from "../../checkpoints/owner";
import { FALLBACKS, LATEST, REQUEST, type Fallback, type OwnerIdentity } from "../../../api";
import { itemsAt, textAt, textsAt, type Json } from "../../../kube";

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
      const hash = templateHashOf(pod);
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

/**
 * Returns the field selector of the Checkpoints of the pod's workload: it selects all for which `matchWorkload` returns
 * `same`. Undefined if there are none.
 */
export function selectorOf(pod: AdmittedPod): string | undefined {
  const { owner, name } = pod;
  if (owner?.kind === "DaemonSet") return undefined;
  if (owner?.kind === "ReplicaSet" || owner?.kind === "Job") return `status.owner.name=${owner.name}`;
  return name === undefined ? undefined : `spec.podRef.name=${name}`;
}

/** Returns the name of the workload, for messages. */
export function workloadOf(pod: AdmittedPod): string {
  const { owner } = pod;
  if (owner === undefined) return pod.name === undefined ? "a pod without a name" : `pod ${pod.name}`;
  const hash = templateHashOf(pod);
  const deployment = owner.kind === "ReplicaSet" ? deploymentOf(owner.name, hash) : owner.name;
  if (owner.kind === "ReplicaSet" && deployment !== owner.name) return `Deployment ${deployment}`;
  const name = pod.name === undefined ? "" : `, pod ${pod.name}`;
  return `${owner.kind} ${owner.name}${name}`;
}

/** Returns the hash of the pod template of a ReplicaSet's pod, as its Deployment sets it. */
export function templateHashOf({ labels }: AdmittedPod): string | undefined {
  return labels[DEPLOYMENT_HASH];
}

function hasPrefix(generateName: string | undefined, podName: string): boolean {
  if (generateName === undefined) return false;
  return podName.slice(0, -SUFFIX) === generateName.slice(0, LONGEST_BASE);
}

const groupOf = ({ apiVersion }: { readonly apiVersion: string }) => apiVersion.split("/", 1)[0];

/** A container of an admitted pod, those of `spec.containers` first, then the sidecars. */
export interface AdmittedContainer {
  readonly name: string;
  readonly image: string;
  /** Paths at which volumes are mounted. */
  readonly mounts: readonly string[];
}

/** The fields of a pod in admission that a decision uses. */
export interface AdmittedPod {
  /** Missing if the API server generates it. */
  readonly name?: string;
  readonly generateName?: string;
  readonly owner?: OwnerIdentity;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly containers: readonly AdmittedContainer[];
  readonly nodeSelector: Readonly<Record<string, string>>;
  /** `nodeSelectorTerms` of the required node affinity. One of them must match. */
  readonly nodeTerms: readonly Json[];
  readonly runtimeClass?: string;
}

export function projectAdmittedPod(raw: Json): AdmittedPod {
  const name = textAt(raw, "metadata", "name");
  const generateName = textAt(raw, "metadata", "generateName");
  const owner = ownerOf(raw);
  const runtimeClass = textAt(raw, "spec", "runtimeClassName");
  const required = "requiredDuringSchedulingIgnoredDuringExecution";
  return {
    ...(name === undefined || name === "" ? {} : { name }),
    ...(generateName === undefined || generateName === "" ? {} : { generateName }),
    ...(owner === undefined ? {} : { owner }),
    labels: textsAt(raw, "metadata", "labels"),
    annotations: textsAt(raw, "metadata", "annotations"),
    containers: containersOf(raw).map((container) => ({
      name: textAt(container, "name") ?? "",
      image: textAt(container, "image") ?? "",
      mounts: itemsAt(container, "volumeMounts").map((mount) => textAt(mount, "mountPath") ?? ""),
    })),
    nodeSelector: textsAt(raw, "spec", "nodeSelector"),
    nodeTerms: itemsAt(raw, "spec", "affinity", "nodeAffinity", required, "nodeSelectorTerms"),
    ...(runtimeClass === undefined || runtimeClass === "" ? {} : { runtimeClass }),
  };
}

/** The restore that the annotations of a pod request. */
export interface RestoreRequest {
  /** Name of a Checkpoint, or `latest`. */
  readonly from: string;
  readonly fallback: Fallback;
  readonly shared: boolean;
}

/** Names of objects: DNS subdomains. */
const NAME = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;

/** Reads the request. @returns a message if an annotation is invalid */
export function readRequest(annotations: Readonly<Record<string, string>>): RestoreRequest | string {
  const from = annotations[REQUEST.from] ?? "";
  const fallback = annotations[REQUEST.fallback] ?? "fresh";
  const shared = annotations[REQUEST.shared] ?? "false";
  if (!NAME.test(from) || from.length > 253)
    return invalid(REQUEST.from, from, `${LATEST}, or the name of a Checkpoint in the namespace`);
  const known = FALLBACKS.find((one) => one === fallback);
  if (known === undefined) return invalid(REQUEST.fallback, fallback, FALLBACKS.join(" or "));
  if (shared !== "true" && shared !== "false") return invalid(REQUEST.shared, shared, `"true" or "false"`);
  return { from, fallback: known, shared: shared === "true" };
}

function invalid(annotation: string, given: string, allowed: string): string {
  return `annotation ${annotation} is ${JSON.stringify(given)}; allowed: ${allowed}`;
}
