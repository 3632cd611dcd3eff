import type { CheckpointRecord, CheckpointStatus } from "../../api";
import { ApiError, hasStatus, isRejected, type Client, type Logger } from "../../kube";
import { CHECKPOINT, type CheckpointObject } from "./objects";
import { isFinished, phaseOf } from "./state";

type Result = NonNullable<CheckpointRecord["result"]>;
/** Fields of the status that describe the object, and not the checkpoint that was taken. */
type OwnFields = Pick<CheckpointStatus, "observedGeneration" | "conditions" | "restore">;

/** Returns whether the object was created with the record of another one, as from a backup. */
export function isImported({ metadata, record }: CheckpointObject): boolean {
  return record !== undefined && record.checkpointUID !== metadata.uid;
}

/** Returns the UID that the artifact of the checkpoint has. */
export function checkpointUIDOf({ metadata, record }: CheckpointObject): string {
  return record?.checkpointUID ?? metadata.uid;
}

/** Returns whether the record of an ended Checkpoint is missing or incomplete, as after an update of the controller. */
export function lacksRecord(object: CheckpointObject): boolean {
  const { record, status } = object;
  if (!isFinished(status) || isImported(object)) return false;
  return record === undefined || (wasTaken(status) && !record.hasResult);
}

/** Returns whether the checkpoint was completed, whatever happened to its artifact. */
export function wasTaken(status: CheckpointStatus): boolean {
  return ["completed", "missing"].includes(phaseOf(status));
}

/** Returns what the record keeps of a status. */
function resultOf(status: CheckpointStatus): Result {
  const { observedGeneration: _generation, conditions: _conditions, restore: _restore, ...result } = status;
  return result satisfies Omit<CheckpointStatus, keyof OwnFields>;
}

/**
 * Writes the record of a Checkpoint: without a status, that a checkpoint may be taken. An install without the permission, or
 * with the CRD of an earlier version, takes checkpoints all the same: the error is logged, and the object is returned as it is.
 *
 * @param status of the completed checkpoint
 * @throws ApiError 404 if the object was deleted, 409 if it has another version; errors of a request that can be repeated
 */
export async function putRecord(
  client: Client,
  log: Pick<Logger, "error">,
  object: CheckpointObject,
  status?: CheckpointStatus,
): Promise<CheckpointObject> {
  const { metadata } = object;
  const { namespace, name, uid, resourceVersion } = metadata;
  const value: CheckpointRecord = {
    checkpointUID: checkpointUIDOf(object),
    ...(status === undefined ? {} : { result: resultOf(status) }),
  };
  try {
    const target = { namespace, name, uid };
    return await client.jsonPatch(CHECKPOINT, target, [
      // The caller writes a status to the version that is returned: it must know the one before.
      { op: "replace", path: "/metadata/resourceVersion", value: resourceVersion },
      { op: "add", path: "/record", value },
    ]);
  } catch (error) {
    if (!isRejected(error) || hasStatus(error, 404, 409)) throw error;
    // The patch tests the UID: 422 may mean that another object has the name now.
    const live = hasStatus(error, 422) ? await client.get(CHECKPOINT, metadata) : object;
    if (live?.metadata.uid !== uid) throw new ApiError(404, `Checkpoint ${name} was deleted`);
    if (live.metadata.resourceVersion !== resourceVersion)
      throw new ApiError(409, `Checkpoint ${name} was changed`);
    log.error(
      { checkpoint: name, namespace, err: error },
      "record not written: a backup loses the checkpoint",
    );
    return live;
  }
}
