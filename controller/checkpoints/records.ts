import {
  controller,
  isOutdated,
  sleep,
  type CachedObjects,
  type Client,
  type Controller,
  type Logger,
  type Metrics,
} from "../../kube";
import { byAge, CHECKPOINT, type CheckpointObject } from "./objects";
import { lacksRecord, putRecord, wasTaken } from "./record";

/** A pause is so many times as long as the writes before it: a busy API server gets fewer. */
const PAUSES = 4;
/** Shortest pause. */
const PAUSE_MS = 20;
/** Delay while the request of the Checkpoint is in flight, or after a conflict; longest delay after failures. */
const RETRY_MS = 60_000;

export interface RecordsOptions {
  readonly checkpoints: CachedObjects<CheckpointObject>;
  readonly isInFlight: (uid: string) => boolean;
  readonly client: Client;
  readonly log: Logger;
  readonly metrics: Metrics;
}

/**
 * Returns the controller that writes the records that ended Checkpoints lack: those that an earlier version has taken, or whose
 * record was removed, the newest first. After an update these can be tens of thousands, with two writes each. So it writes one at a
 * time, and pauses: neither Checkpoints nor admissions wait for them.
 */
export function recordsController(options: RecordsOptions): Controller {
  const { checkpoints, isInFlight, client, log, metrics } = options;
  return controller("checkpoint-records", { log, metrics, maxDelayMs: RETRY_MS })
    .for(checkpoints, {
      initial: (objects) => objects.filter(lacksRecord).toSorted((a, b) => byAge(b, a)),
      when: ({ new: now }) => now !== undefined && lacksRecord(now),
    })
    .reconcile(async (key, signal): Promise<{ readonly requeueAfterMs?: number }> => {
      const object = checkpoints.get(key);
      if (object === undefined || object.metadata.deletionTimestamp !== undefined || !lacksRecord(object))
        return {};
      if (isInFlight(object.metadata.uid)) return { requeueAfterMs: RETRY_MS };
      const start = performance.now();
      try {
        await complete(object, client, log);
        return {};
      } catch (error) {
        if (!isOutdated(error)) throw error;
        return { requeueAfterMs: RETRY_MS };
      } finally {
        await sleep(Math.max(PAUSE_MS, PAUSES * (performance.now() - start)), signal);
      }
    });
}

async function complete(object: CheckpointObject, client: Client, log: Logger): Promise<void> {
  const result = wasTaken(object.status) ? object.status : undefined;
  const { metadata } = await putRecord(client, log, object, result);
  const { generation: value } = metadata;
  const path = "/status/observedGeneration";
  await client.jsonPatch(CHECKPOINT, metadata, [{ op: "add", path, value }], { subresource: "status" });
}
