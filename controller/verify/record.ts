import type { LastVerified } from "../../api";
import { isTestFailed, type Client } from "../../kube";
import { CHECKPOINT, type CheckpointObject } from "../checkpoints/objects";

/** How often a write is tried on the newest version of the Checkpoint. */
const ATTEMPTS = 5;
/** Maximum length of a message in the status. */
export const MAX_MESSAGE = 1024;

/**
 * Writes the outcome of a verification to its Checkpoint, once for each sandbox pod. One that was skipped does not replace one that
 * was not: it proves nothing.
 * @returns whether this call wrote it, it was written before, or the Checkpoint keeps another one or is gone
 * @throws Error if the Checkpoint changed with each attempt
 */
export async function recordOutcome(
  client: Pick<Client, "get" | "jsonPatch">,
  checkpoint: CheckpointObject,
  given: LastVerified,
): Promise<"written" | "known" | "kept" | "gone"> {
  const entry = { ...given, message: given.message.slice(0, MAX_MESSAGE) };
  const { uid } = checkpoint.metadata;
  let now: CheckpointObject | undefined = checkpoint;
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    if (now === undefined || now.metadata.uid !== uid) return "gone";
    const { lastVerified } = now.status;
    if (entry.podUID !== undefined && lastVerified?.podUID === entry.podUID) return "known";
    if (entry.outcome === "Skipped" && lastVerified !== undefined && lastVerified.outcome !== "Skipped")
      return "kept";
    try {
      await client.jsonPatch(
        CHECKPOINT,
        now.metadata,
        [
          { op: "test", path: "/metadata/resourceVersion", value: now.metadata.resourceVersion },
          { op: "add", path: "/status/lastVerified", value: entry },
        ],
        { subresource: "status" },
      );
      return "written";
    } catch (error) {
      if (!isTestFailed(error)) throw error;
    }
    now = await client.get(CHECKPOINT, checkpoint.metadata);
  }
  throw new Error(
    `Checkpoint ${checkpoint.metadata.name} changed ${ATTEMPTS} times while its verification was recorded`,
  );
}
