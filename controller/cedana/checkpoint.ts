import { createHash } from "node:crypto";
import { hasStatus, type Objects } from "../../kube";
import { type Context } from "../checkpoints/context";
import { phaseOf, readyOf } from "../checkpoints/state";
import { CEDANA, CHECKPOINT, type CedanaObject, type CheckpointObject } from "../checkpoints/objects";
import type { Result } from "./writer";

/** Names have at most 253 characters. */
const MAX_PREFIX = 230;

/** Returns the name of the Checkpoint of a generation: the same one for each attempt. */
function checkpointName({ metadata: { name, uid, generation } }: CedanaObject): string {
  const hash = createHash("sha256").update(`${uid}/${generation}`).digest("hex").slice(0, 10);
  return `${name.slice(0, MAX_PREFIX).replace(/[.-]+$/, "")}-${hash}`;
}

/** Creates the Checkpoint that a Cedana requests, unless it exists. @returns its name */
export async function createCheckpoint({ client }: Context, cedana: CedanaObject): Promise<string> {
  const { name: owner, namespace, uid } = cedana.metadata;
  const { sandboxName = "", containerName = "" } = cedana.spec;
  const name = checkpointName(cedana);
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

/** Returns the state of a Checkpoint as the result of its Cedana, and whether it has ended. */
export async function checkpointResult(
  { client }: Context,
  checkpoints: Objects<CheckpointObject>,
  namespace: string,
  name: string,
): Promise<Result & { readonly ended: boolean }> {
  const checkpoint =
    checkpoints.get(`${namespace}/${name}`) ?? (await client.get(CHECKPOINT, { namespace, name }));
  if (!checkpoint) {
    const message = `Checkpoint ${name} was deleted before it ended`;
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
