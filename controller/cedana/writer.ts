import { isDeepStrictEqual } from "node:util";
import { ApiError } from "../../kube/client";
import type { Condition } from "../../api";
import type { Context } from "../checkpoints/context";
import { insist } from "../checkpoints/insist";
import {
  CEDANA,
  projectCedana,
  type CedanaMethod,
  type CedanaObject,
  type CedanaStatus,
} from "../checkpoints/objects";
import {
  getCedana,
  isNotAsTested,
  isOutdated,
  patch,
  putCedanaStatus,
  type Operation as Patch,
} from "../checkpoints/requests";
import { timeOf } from "../checkpoints/state";
import { OPERATION, operationText, type Operation } from "./names";

/** What has come of a wish. */
export interface Result {
  readonly ready: boolean;
  readonly reason: string;
  readonly message: string;
  readonly status: Pick<CedanaStatus, "checkpointDone" | "restoreDone" | "lastCheckpointedTime">;
}

/** Writes the status and the method of Cedanas. A wish that came since is never written over. */
export class CedanaWriter {
  constructor(private readonly context: Pick<Context, "client" | "flights" | "log">) {}

  /**
   * Sets the method, if the spec is still as it was read.
   * @returns undefined if it is not
   */
  async setMethod(
    cedana: CedanaObject,
    method: CedanaMethod,
    operation?: Operation,
  ): Promise<CedanaObject | undefined> {
    const { generation } = cedana.metadata;
    const operations: Patch[] = [
      { op: "test", path: "/metadata/generation", value: generation },
      { op: "test", path: "/spec/method", value: cedana.spec.method },
      { op: "replace", path: "/spec/method", value: method },
      ...(operation === undefined ? [] : annotate(cedana, operationText(operation))),
    ];
    try {
      return projectCedana(await patch(this.context.client, CEDANA, cedana, operations));
    } catch (error) {
      if (isNotAsTested(error)) return undefined;
      throw error;
    }
  }

  /** Writes the status, if it is not so already. @throws ApiError 409 if the object has changed since */
  async setStatus(cedana: CedanaObject, result: Result): Promise<CedanaObject> {
    const status = statusOf(cedana, result);
    if (isDeepStrictEqual(status, comparable(cedana.status))) return cedana;
    return putCedanaStatus(this.context.client, cedana, status);
  }

  /**
   * Writes what has come of what an engine was asked, however long it takes.
   * @param operation what it was asked for: another method is left as it is
   */
  async settle(cedana: CedanaObject, method: "Done" | "Failed", result: Result): Promise<void> {
    const { client, flights, log } = this.context;
    let object = cedana;
    await insist(log, flights.signal, async () => {
      for (;;) {
        try {
          object = await this.setStatus(object, result);
          await this.setMethod(object, method);
          return;
        } catch (error) {
          if (!isOutdated(error)) throw error;
        }
        const live = await getCedana(client, object.metadata.namespace, object.metadata.name);
        if (live?.metadata.uid !== cedana.metadata.uid) return;
        // A wish that came since has its own end.
        if (live.metadata.generation !== cedana.metadata.generation) return;
        object = live;
      }
    });
  }
}

/** What an API server says to a Checkpoint that it does not take, or undefined. */
export function refusalOf(error: unknown): string | undefined {
  return error instanceof ApiError && [400, 403, 422].includes(error.status) ? error.message : undefined;
}

function annotate({ metadata: { annotations } }: CedanaObject, value: string): Patch[] {
  if (Object.keys(annotations).length === 0)
    return [{ op: "add", path: "/metadata/annotations", value: { [OPERATION]: value } }];
  return [{ op: "add", path: `/metadata/annotations/${OPERATION.replaceAll("/", "~1")}`, value }];
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

/** What we write of a status. */
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
