import {
  CEDANA as CEDANA_KIND,
  CHECKPOINT as CHECKPOINT_KIND,
  POLICY_LABELS,
  type CedanaSpec,
  type CedanaStatus,
  type CheckpointEndReason,
  type CheckpointSpec,
  type CheckpointStatus,
} from "../../api";
import {
  at,
  Interner,
  isObject,
  itemsAt,
  kindOf,
  numberAt,
  projectCustomResource,
  rawKind,
  textAt,
  textsAt,
  type CustomResource,
  type CustomResourceMetadata,
  type Json,
} from "../../kube";
import { DEPLOYMENT_HASH, ownerOf, REVISION_HASH } from "./owner";

/** A Checkpoint with the fields in use. */
export interface CheckpointObject extends CustomResource<CheckpointSpec, CheckpointStatus> {
  readonly metadata: CustomResourceMetadata & {
    /** The Cedana that owns it. */
    readonly cedana?: { readonly name: string; readonly uid: string };
    /** The policy that created it, when it was due (RFC 3339), and the action that does more once it is completed. */
    readonly policy?: {
      readonly uid: string;
      readonly name: string;
      readonly due: string;
      readonly action?: string;
    };
    /** All of them, if there are any. */
    readonly finalizers?: readonly string[];
  };
  /** What survives the loss of the status. */
  readonly record?: {
    /** UID of the Checkpoint whose checkpoint was taken. */
    readonly checkpointUID: string;
    readonly hasResult: boolean;
    /** Only of an object that was created with the record of another one. Otherwise the status has it. */
    readonly result?: CheckpointStatus;
  };
}

/** A Cedana with the fields in use. */
export interface CedanaObject extends CustomResource<CedanaSpec, CedanaStatus> {
  readonly metadata: CustomResourceMetadata & { readonly annotations: Readonly<Record<string, string>> };
}

export const CHECKPOINT = kindOf(CHECKPOINT_KIND, projectCheckpoint);
export const CEDANA = kindOf(CEDANA_KIND, projectCedana);
export const POD = rawKind("v1", "Pod", "pods");

/** What all Checkpoints of the process share: a namespace can have tens of thousands, most of them of the same workloads. */
const interner = new Interner();

/** Fields whose value many Checkpoints have: the pod, its owner, and what its restore lacks. */
const SHARED = new Set(["podRef", "owner", "notRestored"]);

/** Makes spec or status keep once what other Checkpoints have too. Its JSON is used by nothing else. */
function share(part: Json): Json {
  if (!isObject(part)) return interner.strings(part);
  const fields = part as Record<string, Json>;
  for (const field in fields) {
    const value = fields[field] as Json;
    if (SHARED.has(field)) fields[field] = interner.value(value);
    else if (field === "containers" && Array.isArray(value))
      for (const one of value as readonly Json[]) share(one);
    else fields[field] = interner.strings(value);
  }
  return part;
}

export function projectCheckpoint(raw: Json): CheckpointObject {
  const owner = itemsAt(raw, "metadata", "ownerReferences").find(
    (reference) =>
      textAt(reference, "kind") === CEDANA.kind && textAt(reference, "apiVersion") === CEDANA.apiVersion,
  );
  const [name, uid] = [textAt(owner, "name"), textAt(owner, "uid")];
  const [spec, status] = [share(at(raw, "spec") ?? {}), share(at(raw, "status") ?? {})];
  const object = projectCustomResource<CheckpointSpec, CheckpointStatus>({
    metadata: at(raw, "metadata"),
    spec,
    status,
  });
  return {
    ...object,
    metadata: {
      ...object.metadata,
      namespace: interner.text(object.metadata.namespace),
      ...(name === undefined || uid === undefined ? {} : { cedana: { name, uid } }),
      ...policyOf(raw),
      ...finalizersOf(raw),
    },
    ...recordOf(raw, object.metadata.uid),
  };
}

function finalizersOf(raw: Json): Pick<CheckpointObject["metadata"], "finalizers"> {
  const all = itemsAt(raw, "metadata", "finalizers");
  const finalizers = all.flatMap((one) => (typeof one === "string" ? [interner.text(one)] : []));
  return finalizers.length === 0 ? {} : { finalizers };
}

function policyOf(raw: Json): Pick<CheckpointObject["metadata"], "policy"> {
  const uid = textAt(raw, "metadata", "labels", POLICY_LABELS.uid);
  if (uid === undefined) return {};
  const due = textAt(raw, "metadata", "annotations", POLICY_LABELS.due) ?? "";
  const name = textAt(raw, "metadata", "labels", POLICY_LABELS.name) ?? "";
  const action = textAt(raw, "metadata", "annotations", POLICY_LABELS.action);
  return {
    policy: {
      uid: interner.text(uid),
      name: interner.text(name),
      due,
      ...(action === undefined ? {} : { action: interner.text(action) }),
    },
  };
}

function recordOf(raw: Json, uid: string): Pick<CheckpointObject, "record"> {
  const checkpointUID = textAt(raw, "record", "checkpointUID");
  if (checkpointUID === undefined) return {};
  const result = at(raw, "record", "result") as unknown as CheckpointStatus | undefined;
  const kept = checkpointUID === uid || result === undefined ? {} : { result };
  return { record: { checkpointUID, hasResult: result !== undefined, ...kept } };
}

export function projectCedana(raw: Json): CedanaObject {
  const object = projectCustomResource<CedanaSpec, CedanaStatus>(raw);
  return {
    ...object,
    metadata: { ...object.metadata, annotations: textsAt(raw, "metadata", "annotations") },
  };
}

/** Orders by creation time, oldest first, then by namespace and name. */
export function byAge(a: CheckpointObject, b: CheckpointObject): number {
  return (
    compare(a.metadata.creationTimestamp, b.metadata.creationTimestamp) ||
    compare(a.metadata.namespace, b.metadata.namespace) ||
    compare(a.metadata.name, b.metadata.name)
  );
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** The facts about the pod that the status records. */
export type PodFacts = Pick<CheckpointStatus, "podUID" | "nodeName" | "owner" | "podTemplateHash">;

export interface SourceContainer {
  readonly name: string;
  readonly image?: string;
  readonly restartCount?: number;
  /** The image by digest, if the node knows its repository. */
  readonly baseImage?: string;
}

export type SourcePodState =
  | {
      readonly is: "running";
      readonly facts: PodFacts & { readonly podUID: string; readonly nodeName: string };
      readonly containers: readonly SourceContainer[];
    }
  /** The pod may become ready. */
  | { readonly is: "pending"; readonly facts: PodFacts; readonly message: string }
  /** The pod can never be checkpointed. */
  | {
      readonly is: "lost";
      readonly facts: PodFacts;
      readonly reason: CheckpointEndReason;
      readonly message: string;
    };

/** Labels that carry the hash of the pod template. */
const TEMPLATE_HASH = [DEPLOYMENT_HASH, REVISION_HASH];

/**
 * Returns the containers of a pod that run as long as it does: `spec.containers`, then the sidecars, which are init containers
 * with `restartPolicy: Always`.
 */
export function containersOf(pod: Json): readonly Json[] {
  const initial = itemsAt(pod, "spec", "initContainers");
  const sidecars = initial.filter((one) => textAt(one, "restartPolicy") === "Always");
  return [...itemsAt(pod, "spec", "containers"), ...sidecars];
}

/** Returns the statuses of all containers of a pod. */
export function containerStatusesOf(pod: Json): readonly Json[] {
  return [...itemsAt(pod, "status", "containerStatuses"), ...itemsAt(pod, "status", "initContainerStatuses")];
}

/**
 * Checks whether the pod can be checkpointed.
 * @param pinned the UID that the pod must have, if it is known
 * @param sidecars whether sidecars are checkpointed like other containers
 */
export function checkSourcePod(
  pod: Json | undefined,
  spec: CheckpointSpec,
  pinned: string | undefined,
  sidecars: boolean,
): SourcePodState {
  const { name } = spec.podRef;
  const uid = textAt(pod, "metadata", "uid");
  if (pod === undefined || uid === undefined) {
    return pinned === undefined
      ? lost({}, "SourcePodNotFound", `pod ${name} does not exist`)
      : lost({ podUID: pinned }, "SourcePodReplaced", `pod ${name} with UID ${pinned} was deleted`);
  }
  if (pinned !== undefined && pinned !== uid) {
    const message = `pod ${name} was replaced: its UID is ${uid}, not ${pinned}`;
    return lost({ podUID: pinned }, "SourcePodReplaced", message);
  }
  const facts = factsOf(pod, uid);
  const { nodeName } = facts;
  const phase = textAt(pod, "status", "phase") ?? "Pending";
  if (phase === "Succeeded" || phase === "Failed")
    return lost(facts, "SourcePodEnded", `pod ${name} has ended in phase ${phase}`);
  const own = (sidecars ? containersOf(pod) : itemsAt(pod, "spec", "containers")).map((container) => {
    const containerName = textAt(container, "name") ?? "";
    const status = containerStatusesOf(pod).find((one) => textAt(one, "name") === containerName);
    const baseImage = baseImageOf(status);
    const restartCount = numberAt(status, "restartCount");
    return {
      name: containerName,
      image: textAt(container, "image"),
      ...(restartCount === undefined ? {} : { restartCount }),
      ...(baseImage === undefined ? {} : { baseImage }),
    };
  });
  const absent = (spec.containers ?? []).filter((wanted) => own.every((one) => one.name !== wanted));
  if (absent.length > 0) {
    const message = `pod ${name} has no container ${absent.join(", ")}; it has ${own.map((one) => one.name).join(", ")}`;
    return lost(facts, "ContainerNotFound", message);
  }
  if (phase !== "Running" || nodeName === undefined)
    return { is: "pending", facts, message: `pod ${name} is not running yet: phase ${phase}` };
  const containers = own.filter((one) => spec.containers?.includes(one.name) ?? true);
  return { is: "running", facts: { ...facts, podUID: uid, nodeName }, containers };
}

/** Returns the image that the container runs, by digest. Without a repository the runtime has only the image's ID. */
function baseImageOf(status: Json | undefined): string | undefined {
  // dockershim and its successor have a prefix.
  const image = textAt(status, "imageID")?.replace(/^[a-z-]+:\/\//, "");
  return image !== undefined && /^[^\s@]+@sha256:[0-9a-f]{64}$/.test(image) ? image : undefined;
}

function lost(facts: PodFacts, reason: CheckpointEndReason, message: string): SourcePodState {
  return { is: "lost", facts, reason, message };
}

function factsOf(pod: Json, podUID: string): PodFacts {
  const nodeName = textAt(pod, "spec", "nodeName");
  const owner = ownerOf(pod);
  const labels = textsAt(pod, "metadata", "labels");
  const podTemplateHash = TEMPLATE_HASH.map((label) => labels[label]).find((hash) => hash !== undefined);
  return {
    podUID,
    ...(nodeName === undefined ? {} : { nodeName }),
    ...(owner === undefined ? {} : { owner }),
    ...(podTemplateHash === undefined ? {} : { podTemplateHash }),
  };
}
