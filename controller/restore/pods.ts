import { LATEST, RECORD, REQUEST, RESTORED_FROM, NOT_RESTORED, SANDBOX, type Fallback } from "../../api";
import {
  at,
  isTrueAt,
  metadataOf,
  numberAt,
  textAt,
  textsAt,
  type Json,
  type Kind,
  type KubernetesObject,
  type ObjectMetadata,
} from "../../kube";
import { containerStatusesOf } from "../checkpoints/objects";
import { ownerOf } from "../checkpoints/owner";

/** State of a container as the kubelet reports it. */
export interface ContainerState {
  readonly restartCount: number;
  readonly running: boolean;
  readonly terminated?: Terminated;
  /** Its previous termination. */
  readonly last?: Terminated;
}

export interface Terminated {
  readonly reason: string;
  readonly exitCode: number;
}

/** A container that admission selected for a restore. */
interface RestoringContainer {
  readonly name: string;
  /** Missing until the kubelet reports it. */
  readonly state?: ContainerState;
}

/** A pod that requested a restore, with the fields in use. */
export interface RestoredPod extends KubernetesObject {
  readonly metadata: ObjectMetadata & {
    readonly namespace: string;
    readonly creationTimestamp: string;
    readonly deletionTimestamp?: string;
  };
  /** UID of the Checkpoint; undefined for a pod that starts fresh. */
  readonly from?: string;
  /** The Checkpoint that the request names: the policies checked the permission of its author. */
  readonly requested?: string;
  readonly claim?: string;
  /** UID of the Checkpoint, if the pod waits for a plan on its node. */
  readonly plan?: string;
  readonly nodeName?: string;
  /** Name of the Checkpoint. */
  readonly checkpoint: string;
  /** Why it was not restored. */
  readonly skipped?: string;
  /** Why its restore failed. */
  readonly failed?: string;
  readonly fallback: Fallback;
  readonly shared: boolean;
  /** Whether it proves a Checkpoint. Its outcome says nothing about other pods. */
  readonly isSandbox: boolean;
  readonly phase: string;
  readonly restartPolicy: string;
  readonly containers: readonly RestoringContainer[];
}

/** Pods with the label that admission sets. */
export const RESTORED_POD: Kind<RestoredPod> = {
  apiVersion: "v1",
  kind: "Pod",
  plural: "pods",
  project: projectPod,
};

/** A pod that admission let start without a checkpoint. */
export interface FreshPod extends KubernetesObject {
  readonly ownerUID?: string;
  /** Whether a Checkpoint has a record of its admission: pods of its owner that were to be restored were not created. */
  readonly isRecorded: boolean;
}

export const FRESH_POD: Kind<FreshPod> = {
  ...RESTORED_POD,
  project: (raw) => ({
    metadata: metadataOf(raw),
    ownerUID: ownerOf(raw)?.uid,
    isRecorded: RECORD.claim in textsAt(raw, "metadata", "annotations"),
  }),
};

/**
 * Checks whether the author of the pod requested this Checkpoint. The policies check the permission for what the request names.
 * While the webhook does not answer, nothing overwrites a label that a user has set.
 */
export function isRequested(
  { requested, metadata: { namespace } }: RestoredPod,
  { metadata }: { readonly metadata: ObjectMetadata },
): boolean {
  return namespace === metadata.namespace && (requested === LATEST || requested === metadata.name);
}

/** Checks whether no container of the pod is created again. */
export function hasEnded({ phase }: RestoredPod): boolean {
  return phase === "Failed" || phase === "Succeeded";
}

function projectPod(raw: Json): RestoredPod {
  const annotations = textsAt(raw, "metadata", "annotations");
  const from = textsAt(raw, "metadata", "labels")[RESTORED_FROM];
  const states = containerStatusesOf(raw);
  const names = (annotations[RECORD.containers] ?? "").split(",").filter((name) => name !== "");
  const containers = names.map((name) => {
    const state = states.find((one) => textAt(one, "name") === name);
    return { name, ...(state === undefined ? {} : { state: stateOf(state) }) };
  });
  const optional = (field: string, value: string | undefined) =>
    value === undefined ? {} : { [field]: value };
  return {
    metadata: {
      ...metadataOf(raw),
      namespace: textAt(raw, "metadata", "namespace") ?? "",
      creationTimestamp: textAt(raw, "metadata", "creationTimestamp") ?? "",
      ...optional("deletionTimestamp", textAt(raw, "metadata", "deletionTimestamp")),
    },
    ...optional("from", from === NOT_RESTORED ? undefined : from),
    ...optional("requested", annotations[REQUEST.from]),
    ...optional("claim", annotations[RECORD.claim]),
    ...optional("plan", annotations[RECORD.plan]),
    ...optional("nodeName", textAt(raw, "spec", "nodeName")),
    checkpoint: annotations[RECORD.checkpoint] ?? "",
    ...optional("skipped", annotations[RECORD.skipped]),
    ...optional("failed", annotations[RECORD.failed]),
    fallback: annotations[REQUEST.fallback] === "stop" ? "stop" : "fresh",
    shared: annotations[REQUEST.shared] === "true",
    isSandbox: SANDBOX.label in textsAt(raw, "metadata", "labels"),
    phase: textAt(raw, "status", "phase") ?? "Pending",
    restartPolicy: textAt(raw, "spec", "restartPolicy") ?? "Always",
    containers,
  };
}

function stateOf(status: Json): ContainerState {
  const terminated = terminatedAt(status, "state");
  const last = terminatedAt(status, "lastState");
  return {
    restartCount: numberAt(status, "restartCount") ?? 0,
    running: at(status, "state", "running") !== undefined || isTrueAt(status, "ready"),
    ...(terminated ? { terminated } : {}),
    ...(last ? { last } : {}),
  };
}

function terminatedAt(status: Json, state: string): Terminated | undefined {
  const terminated = at(status, state, "terminated");
  if (terminated === undefined || terminated === null) return undefined;
  return {
    reason: textAt(terminated, "reason") ?? "",
    exitCode: numberAt(terminated, "exitCode") ?? 0,
  };
}
