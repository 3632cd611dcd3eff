import { ApiError } from "../../kube/client";
import { pathOf } from "../../kube/runtime";
import type { Context } from "../checkpoints/context";
import { CEDANA, CHECKPOINT, type CedanaObject, type CheckpointObject } from "../checkpoints/objects";
import { getCheckpoint } from "../checkpoints/requests";
import { phaseOf, readyOf } from "../checkpoints/state";
import type { Objects } from "../checkpoints/stores";
import { childName } from "./names";
import type { Result } from "./writer";

/** Makes the Checkpoint of a wish; it is no error if it is there already. @returns its name */
export async function makeCheckpoint({ client }: Context, cedana: CedanaObject): Promise<string> {
  const { name: owner, namespace, uid } = cedana.metadata;
  const { sandboxName = "", containerName = "" } = cedana.spec;
  const name = childName(cedana);
  const content = {
    apiVersion: CHECKPOINT.apiVersion,
    kind: CHECKPOINT.kind,
    metadata: {
      name,
      namespace,
      ownerReferences: [
        { apiVersion: CEDANA.apiVersion, kind: CEDANA.kind, name: owner, uid, controller: true },
      ],
    },
    spec: { podRef: { name: sandboxName }, containers: [containerName] },
  };
  try {
    await client.send("POST", pathOf(CHECKPOINT, namespace), { type: "application/json", content });
  } catch (error) {
    if (!(error instanceof ApiError && error.status === 409)) throw error;
  }
  return name;
}

/** What has come of a Checkpoint, and whether that is its end. */
export async function checkpointResult(
  { client }: Context,
  checkpoints: Objects<CheckpointObject>,
  namespace: string,
  name: string,
): Promise<Result & { readonly ended: boolean }> {
  const checkpoint =
    checkpoints.get(`${namespace}/${name}`) ?? (await getCheckpoint(client, namespace, name));
  if (!checkpoint) {
    const message = `Checkpoint ${name} was deleted before its end`;
    return {
      ended: true,
      ready: false,
      reason: "CheckpointDeleted",
      message,
      status: { checkpointDone: false },
    };
  }
  const { reason = "Pending", message = "not looked at yet" } = readyOf(checkpoint.status) ?? {};
  const phase = phaseOf(checkpoint.status);
  const done = phase === "completed";
  const { completionTime } = checkpoint.status;
  return {
    ended: done || phase === "failed",
    ready: done,
    reason,
    message: `Checkpoint ${name}: ${message}`,
    status: {
      checkpointDone: done,
      ...(done && completionTime !== undefined ? { lastCheckpointedTime: completionTime } : {}),
    },
  };
}
