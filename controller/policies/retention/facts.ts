import { RESTORED_FROM } from "../../../api";
import type { CheckpointObject } from "../../checkpoints/objects";
import { phaseOf } from "../../checkpoints/state";
import { deploymentOf } from "../../checkpoints/owner";
import type { PolicyPod, RecordedPod } from "../core/types";
import { lineageOf } from "./lineage";

/** A Checkpoint with what retention reads. Times are in ms since the epoch. */
export interface RetainedCheckpoint {
  /** `namespace/name`. */
  readonly key: string;
  readonly uid: string;
  readonly resourceVersion: string;
  /** The pod as the Checkpoint records it. */
  readonly pod: RecordedPod;
  readonly podName: string;
  /** Its pods continue each other's state. */
  readonly lineage: string;
  /** Whether the lineage has several pods at a time. */
  readonly isPool: boolean;
  readonly jobUID?: string;
  /** The pod whose state it has: its UID, or its name. */
  readonly source: string;
  /** `open`: it has not ended. `failed`: there is no artifact. */
  readonly state: "open" | "completed" | "failed";
  /** When it ended. */
  readonly endedMs?: number;
  readonly sizeBytes?: number;
  readonly isPinned: boolean;
  readonly isDeleted: boolean;
  /** Name of the Cedana that owns it. */
  readonly cedana?: string;
  /** Name of the policy that created it. */
  readonly policy?: string;
  readonly restore?: { readonly state: string; readonly timeMs: number };
  /** Whether its last verification restored it. */
  readonly isVerified?: true;
}

/** A pod with what retention reads. */
export interface RetainingPod {
  readonly uid: string;
  readonly name: string;
  readonly createdMs: number;
  /** Its lineage, if that has several pods at a time. */
  readonly pool?: string;
  /** UID of the Checkpoint that it is restored from. */
  readonly restoredFrom?: string;
  /** Whether it is being deleted. */
  readonly isDeleted: boolean;
  /** Whether none of its containers is created again. */
  readonly hasEnded: boolean;
}

/** The facts of cached Checkpoints: each decision is about all of them, and few have changed since the last one. */
const known = new WeakMap<CheckpointObject, RetainedCheckpoint>();

/** Returns the facts of a Checkpoint, the same ones for the same object. */
export function toRetained(object: CheckpointObject): RetainedCheckpoint {
  const found = known.get(object) ?? read(object);
  known.set(object, found);
  return found;
}

function read({ metadata, spec, status }: CheckpointObject): RetainedCheckpoint {
  const { namespace, name, uid, resourceVersion, deletionTimestamp, cedana, policy } = metadata;
  const { owner, podUID = spec.podRef.uid, nodeName, podTemplateHash, restore, lastVerified } = status;
  const podName = spec.podRef.name;
  const lineage = lineageOf({
    namespace,
    podName,
    ...(owner && { owner }),
    ...(nodeName === undefined ? {} : { nodeName }),
    ...(podTemplateHash === undefined ? {} : { templateHash: podTemplateHash }),
  });
  const endedMs = timeMs(status.completionTime);
  return {
    key: `${namespace}/${name}`,
    uid,
    resourceVersion,
    pod: recordedPod(namespace, status.podUID !== undefined, owner, podTemplateHash),
    podName,
    lineage: lineage.id,
    isPool: lineage.isPool,
    ...(lineage.jobUID === undefined ? {} : { jobUID: lineage.jobUID }),
    source: podUID ?? podName,
    state: stateOf(status),
    ...(endedMs === undefined ? {} : { endedMs }),
    ...(status.sizeBytes === undefined ? {} : { sizeBytes: status.sizeBytes }),
    isPinned: spec.pinned ?? false,
    isDeleted: deletionTimestamp !== undefined,
    ...(cedana && { cedana: cedana.name }),
    ...(policy && { policy: policy.name }),
    ...(restore && { restore: { state: restore.state, timeMs: timeMs(restore.time) ?? Number.NaN } }),
    ...(lastVerified?.outcome === "Verified" && { isVerified: true }),
  };
}

function stateOf(status: CheckpointObject["status"]): RetainedCheckpoint["state"] {
  const phase = phaseOf(status);
  if (phase === "completed") return "completed";
  return phase === "failed" || phase === "missing" ? "failed" : "open";
}

function recordedPod(
  namespace: string,
  isKnown: boolean,
  owner: CheckpointObject["status"]["owner"],
  hash: string | undefined,
): RecordedPod {
  if (owner === undefined) return { namespace, isKnown };
  const { kind, name } = owner;
  const deployment = kind === "ReplicaSet" ? deploymentOf(name, hash) : name;
  return deployment === name
    ? { namespace, isKnown, owner: { kind, name } }
    : { namespace, isKnown, owner: { kind: "Deployment", name: deployment, replicaSet: name } };
}

/** Returns the facts of a pod. @param pool its lineage, if that has several pods at a time */
export function toRetaining(
  { uid, name, createdMs, labels, phase }: Pick<PolicyPod, "uid" | "name" | "createdMs" | "labels" | "phase">,
  isDeleted: boolean,
  pool: string | undefined,
): RetainingPod {
  const restoredFrom = labels[RESTORED_FROM];
  return {
    uid,
    name,
    createdMs,
    ...(pool === undefined ? {} : { pool }),
    ...(restoredFrom === undefined ? {} : { restoredFrom }),
    isDeleted,
    hasEnded: phase === "Succeeded" || phase === "Failed",
  };
}

/** Returns a time in ms; undefined if there is none, or it cannot be read. */
function timeMs(text: string | undefined): number | undefined {
  const ms = Date.parse(text ?? "");
  return Number.isNaN(ms) ? undefined : ms;
}
