import { isDeepStrictEqual } from "node:util";
import { AUTOMATION_GROUP, type CedanaMethod, type CedanaStatus, type Condition } from "../../api";
import { type Context } from "../checkpoints/context";
import { timeOf } from "../checkpoints/state";
import {
  hasStatus,
  isOutdated,
  isTestFailed,
  pointer,
  retryUntilWritten,
  type JsonPatchOperation,
} from "../../kube";
import { CEDANA, type CedanaObject } from "../checkpoints/objects";

/** Annotation with the operation in flight of a Pending Cedana. Written in the same patch as the method. */
const OPERATION = `${AUTOMATION_GROUP}/operation`;

/** The operation in flight of a Pending Cedana. */
export type Operation = { readonly is: "checkpoint"; readonly name: string } | { readonly is: "restore" };

export function operationOf({ metadata }: CedanaObject): Operation | undefined {
  const text = metadata.annotations[OPERATION] ?? "";
  if (text === "restore") return { is: "restore" };
  const [, name] = /^checkpoint\/(.+)$/.exec(text) ?? [];
  return name === undefined ? undefined : { is: "checkpoint", name };
}

function operationText(operation: Operation): string {
  return operation.is === "checkpoint" ? `checkpoint/${operation.name}` : "restore";
}

/** Result of the operation that a Cedana requests. */
export interface Result {
  readonly ready: boolean;
  readonly reason: string;
  readonly message: string;
  readonly status: Pick<CedanaStatus, "checkpointDone" | "restoreDone" | "lastCheckpointedTime">;
}

/** Writes the status and the method of Cedanas. A `spec.method` set by a user is never overwritten. */
export class CedanaWriter {
  constructor(private readonly context: Pick<Context, "client" | "inFlight" | "log">) {}

  /**
   * Sets the method, unless the spec has changed since it was read.
   * @returns undefined if it has
   */
  async setMethod(
    cedana: CedanaObject,
    method: CedanaMethod,
    operation?: Operation,
  ): Promise<CedanaObject | undefined> {
    const { generation } = cedana.metadata;
    const operations: JsonPatchOperation[] = [
      { op: "test", path: "/metadata/generation", value: generation },
      { op: "test", path: "/spec/method", value: cedana.spec.method },
      { op: "replace", path: "/spec/method", value: method },
      ...(operation === undefined ? [] : annotate(cedana, operationText(operation))),
    ];
    try {
      return await this.context.client.jsonPatch(CEDANA, cedana.metadata, operations);
    } catch (error) {
      if (isTestFailed(error)) return undefined;
      throw error;
    }
  }

  /** Writes the status, unless it is the same. @throws ApiError 409 if the object has changed since */
  async setStatus(cedana: CedanaObject, result: Result): Promise<CedanaObject> {
    const status = statusOf(cedana, result);
    if (isDeepStrictEqual(status, comparable(cedana.status))) return cedana;
    return this.context.client.applyStatus(CEDANA, cedana.metadata, status);
  }

  /** Records the outcome of a request to an engine, and retries until the API server has stored it. */
  async settle(cedana: CedanaObject, method: "Done" | "Failed", result: Result): Promise<void> {
    const { client, inFlight, log } = this.context;
    let object = cedana;
    await retryUntilWritten(log, inFlight.signal, async () => {
      for (;;) {
        try {
          object = await this.setStatus(object, result);
          await this.setMethod(object, method);
          return;
        } catch (error) {
          if (!isOutdated(error)) throw error;
        }
        const live = await client.get(CEDANA, object.metadata);
        if (live?.metadata.uid !== cedana.metadata.uid) return;
        // A method that a user set meanwhile starts another operation.
        if (live.metadata.generation !== cedana.metadata.generation) return;
        object = live;
      }
    });
  }
}

/** Returns the message of the API server if it rejected a Checkpoint, else undefined. */
export function rejectionOf(error: unknown): string | undefined {
  return hasStatus(error, 400, 403, 422) ? error.message : undefined;
}

function annotate({ metadata: { annotations } }: CedanaObject, value: string): JsonPatchOperation[] {
  if (Object.keys(annotations).length === 0)
    return [{ op: "add", path: "/metadata/annotations", value: { [OPERATION]: value } }];
  return [{ op: "add", path: pointer("metadata", "annotations", OPERATION), value }];
}

function statusOf(
  { metadata, status }: CedanaObject,
  { ready, reason, message, status: more }: Result,
): CedanaStatus {
  const old = status.conditions?.find(({ type }) => type === "Ready");
  const value = ready ? "True" : "False";
  const condition: Condition = {
    type: "Ready",
    status: value,
    reason,
    message: message.slice(0, 4096),
    observedGeneration: metadata.generation,
    lastTransitionTime: old?.status === value ? old.lastTransitionTime : timeOf(Date.now()),
  };
  return { ...comparable(status), ...more, conditions: [condition] };
}

/** Returns the fields of a status that this controller writes. */
function comparable({
  checkpointDone,
  restoreDone,
  lastCheckpointedTime,
  conditions,
}: CedanaStatus): CedanaStatus {
  return {
    ...(checkpointDone === undefined ? {} : { checkpointDone }),
    ...(restoreDone === undefined ? {} : { restoreDone }),
    ...(lastCheckpointedTime === undefined ? {} : { lastCheckpointedTime }),
    ...(conditions === undefined ? {} : { conditions }),
  };
}
