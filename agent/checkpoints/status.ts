import { ApiError, type KubernetesClient } from "../../kube/client";
import {
  conditionsOf,
  NODE_CHECKPOINT,
  type NodeCheckpointCondition,
  type NodeCheckpointReason,
  type NodeCheckpointStatus,
} from "../../api";
import { pathOf, type Json } from "../../kube/runtime";
import { projectNodeCheckpoint, type NodeCheckpointObject } from "./object";

/** Owner of the fields that are written. */
const FIELD_MANAGER = "cedana-agent";

type Client = Pick<KubernetesClient, "send">;
export type Outcome = "waiting" | "working" | "completed" | "failed";

const HOLDS: Readonly<Record<Outcome, NodeCheckpointCondition["type"] | undefined>> = {
  waiting: undefined,
  working: "Progressing",
  completed: "Ready",
  failed: "Failed",
};

/** The conditions of an outcome. The times are those of the object's where a condition stays as it is. */
export function withConditions(
  { metadata, status: before }: NodeCheckpointObject,
  status: NodeCheckpointStatus,
  outcome: Outcome,
  reason: NodeCheckpointReason,
  message: string,
): NodeCheckpointStatus {
  const observedGeneration = metadata.generation;
  const conditions = conditionsOf({
    holds: HOLDS[outcome],
    reason,
    message,
    observedGeneration,
    before: before.conditions ?? [],
    now: new Date(Date.now()).toISOString(),
  });
  return { ...status, observedGeneration, conditions };
}

/** The object as the API server has it; undefined if it is gone, or is another one of the name. */
export async function readLive(
  client: Client,
  namespace: string,
  { name, uid }: { readonly name: string; readonly uid: string },
): Promise<NodeCheckpointObject | undefined> {
  try {
    const live = projectNodeCheckpoint(
      (await client.send("GET", pathOf(NODE_CHECKPOINT, namespace, name))) as Json,
    );
    return live.metadata.uid === uid ? live : undefined;
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return undefined;
    throw error;
  }
}

/** Replaces what we say in the status, if the object is still of this version. @throws ApiError 409 if not, 404 if gone */
export async function putStatus(
  client: Client,
  { metadata: { name, namespace, resourceVersion } }: NodeCheckpointObject,
  status: NodeCheckpointStatus,
): Promise<NodeCheckpointObject> {
  const { apiVersion, kind } = NODE_CHECKPOINT;
  const content = { apiVersion, kind, metadata: { name, namespace, resourceVersion }, status };
  const body = { type: "application/apply-patch+yaml", content };
  const query = { fieldManager: FIELD_MANAGER, force: "true" };
  return projectNodeCheckpoint(
    (await client.send("PATCH", `${pathOf(NODE_CHECKPOINT, namespace, name)}/status`, body, {
      query,
    })) as Json,
  );
}
