import { CHECKPOINT_FINALIZER } from "../../api/checkpoint";
import { engineOf, type Context } from "./context";
import { CHECKPOINT, type CheckpointObject } from "./objects";

/** After so long the finalizer is removed, whether the engine deleted the data or not: a deletion must not hang. */
const GIVE_UP_MS = 600_000;

export const hasFinalizer = ({ metadata }: CheckpointObject) =>
  metadata.finalizers.includes(CHECKPOINT_FINALIZER);

/** Checks whether the engine must delete the data with the object. */
export function wantsFinalizer(context: Context, object: CheckpointObject): boolean {
  return object.spec.deletionPolicy === "Delete" && (engineOf(context, object)?.canDelete ?? false);
}

export async function addFinalizer({ client }: Context, object: CheckpointObject): Promise<void> {
  await putFinalizers(client, object, [...object.metadata.finalizers, CHECKPOINT_FINALIZER]);
}

export async function removeFinalizer({ client }: Context, object: CheckpointObject): Promise<void> {
  const rest = object.metadata.finalizers.filter((finalizer) => finalizer !== CHECKPOINT_FINALIZER);
  await putFinalizers(client, object, rest);
}

/**
 * Deletes the data of an object that is being deleted, then removes the finalizer.
 * @throws EngineError while the engine does not delete, for 10 minutes
 */
export async function finalize(
  context: Context,
  object: CheckpointObject,
  signal: AbortSignal,
): Promise<void> {
  try {
    await deleteData(context, object, signal);
  } catch (error) {
    const since = Date.parse(object.metadata.deletionTimestamp ?? "");
    if (signal.aborted || Date.now() - since < GIVE_UP_MS) throw error;
    const message = error instanceof Error ? error.message : String(error);
    context.report.checkpoint(object, "Warning", "DataLeftBehind", `the data is not deleted: ${message}`);
  }
  await removeFinalizer(context, object);
}

async function deleteData(context: Context, object: CheckpointObject, signal: AbortSignal): Promise<void> {
  if (!wantsFinalizer(context, object)) return;
  const engine = engineOf(context, object);
  const { namespace } = object.metadata;
  const { containers = [], nodeName } = object.status;
  for (const { checkpointID, location, completionTime } of containers) {
    if (completionTime === undefined) continue;
    await engine?.delete({ namespace, nodeName, checkpointID, location }, signal);
  }
}

async function putFinalizers(
  client: Context["client"],
  object: CheckpointObject,
  finalizers: readonly string[],
): Promise<void> {
  const path = "/metadata/finalizers";
  const { finalizers: before } = object.metadata;
  // Without finalizers the field is missing, and a test of it would fail.
  const guard =
    before.length > 0
      ? ({ op: "test", path, value: before } as const)
      : ({ op: "test", path: "/metadata/resourceVersion", value: object.metadata.resourceVersion } as const);
  await client.jsonPatch(CHECKPOINT, object.metadata, [guard, { op: "add", path, value: finalizers }]);
}
