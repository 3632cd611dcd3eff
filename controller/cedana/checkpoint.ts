import { hasStatus, type Objects } from "../../kube";
import type { Context } from "../checkpoints/context";
import { CEDANA, CHECKPOINT, type CedanaObject, type CheckpointObject } from "../checkpoints/objects";
import { phaseOf, readyOf } from "../checkpoints/state";
import { childName } from "./names";
import type { Result } from "./writer";

/** Creates the Checkpoint that a Cedana requests, unless it exists. @returns its name */
export async function createCheckpoint({ client }: Context, cedana: CedanaObject): Promise<string> {
  const { name: owner, namespace, uid } = cedana.metadata;
  const { sandboxName = "", containerName = "" } = cedana.spec;
  const name = childName(cedana);
  const checkpoint = {
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
    await client.create(CHECKPOINT, checkpoint);
  } catch (error) {
    if (!hasStatus(error, 409)) throw error;
  }
  return name;
}

/** Returns the state of a Checkpoint as result of the Cedana, and whether it has ended. */
export async function checkpointResult(
  { client }: Context,
  checkpoints: Objects<CheckpointObject>,
  namespace: string,
  name: string,
): Promise<Result & { readonly ended: boolean }> {
  const checkpoint =
    checkpoints.get(`${namespace}/${name}`) ?? (await client.get(CHECKPOINT, { namespace, name }));
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
  const { reason = "Pending", message = "not reconciled yet" } = readyOf(checkpoint.status) ?? {};
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
