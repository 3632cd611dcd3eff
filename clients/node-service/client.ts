import type { JsonObject } from "../../http";
import { Connection } from "./connection";
import { NodeServiceError } from "./error";
import { sendPieces } from "./pieces";
import { exportedPart, sendPart } from "./streams";
import type {
  CheckpointRequest,
  CheckpointResult,
  DeclineRequest,
  ExportedPart,
  LayRequest,
  LoadRequest,
  LoseRequest,
  NodeService,
  OpenPiece,
  Outcome,
  PartName,
  PodUsage,
  ReplanRequest,
  ReplanResult,
  ServiceState,
  StageRequest,
} from "./types";

/** Path of the service's socket on a node. */
export const NODE_SERVICE_SOCKET = "/run/cedana-cdk/node/node.sock";

/** Client of the service of the node. Each request has its own connection to the unix socket. */
export class NodeServiceClient implements NodeService {
  constructor(private readonly socket: string = NODE_SERVICE_SOCKET) {}

  async checkpoint(request: CheckpointRequest, signal?: AbortSignal): Promise<CheckpointResult> {
    return (await this.call("checkpoint", request, signal)) as unknown as CheckpointResult;
  }

  async forget(uid: string, signal?: AbortSignal): Promise<void> {
    await this.call("forget", { uid }, signal);
  }

  async lay(request: LayRequest, signal?: AbortSignal): Promise<void> {
    await this.call("lay", request, signal);
  }

  async decline(request: DeclineRequest, signal?: AbortSignal): Promise<void> {
    await this.call("decline", request, signal);
  }

  async replan(request: ReplanRequest, signal?: AbortSignal): Promise<ReplanResult> {
    return (await this.call("replan", request, signal)) as unknown as ReplanResult;
  }

  async outcome(podUID: string, signal?: AbortSignal): Promise<Outcome> {
    const { decidedAt: time, ...outcome } = await this.call("outcome", { podUID }, signal);
    const decidedAt = typeof time === "string" ? new Date(time) : undefined;
    if (decidedAt !== undefined && Number.isNaN(decidedAt.getTime()))
      throw new NodeServiceError(`the service reports the outcome of pod ${podUID} with an invalid time`);
    return { ...(outcome as unknown as Outcome), ...(decidedAt === undefined ? {} : { decidedAt }) };
  }

  async forgetPlan(podUID: string, signal?: AbortSignal): Promise<void> {
    await this.call("forgetPlan", { podUID }, signal);
  }

  async usage(podUIDs: readonly string[], signal?: AbortSignal): Promise<PodUsage> {
    return (await this.call("usage", { podUIDs }, signal)) as unknown as PodUsage;
  }

  async state(signal?: AbortSignal): Promise<ServiceState> {
    return (await this.call("state", {}, signal)) as unknown as ServiceState;
  }

  async export(uid: string, part: PartName, signal?: AbortSignal): Promise<ExportedPart> {
    const connection = await Connection.open(this.socket, signal);
    try {
      await connection.send("export", { uid, part });
      return exportedPart(connection, await connection.result());
    } catch (error) {
      connection.close();
      throw error;
    }
  }

  async stage(
    request: StageRequest,
    open: () => AsyncIterable<Uint8Array>,
    signal?: AbortSignal,
    piece?: OpenPiece,
  ): Promise<boolean> {
    const asked = piece === undefined ? request : { ...request, lazy: true };
    return this.send("stage", asked, { open, piece }, signal);
  }

  async load(request: LoadRequest, piece: OpenPiece, signal?: AbortSignal): Promise<boolean> {
    return this.send("load", request, { piece }, signal);
  }

  async loseMemory(request: LoseRequest, signal?: AbortSignal): Promise<void> {
    await this.call("loseMemory", request, signal);
  }

  /** Sends all bytes of a part, or the pieces that the service asks for. @returns false if it asks for none */
  private async send(
    method: "stage" | "load",
    request: LoadRequest,
    {
      open,
      piece,
    }: { readonly open?: () => AsyncIterable<Uint8Array>; readonly piece?: OpenPiece | undefined },
    signal?: AbortSignal,
  ): Promise<boolean> {
    const connection = await Connection.open(this.socket, signal);
    try {
      await connection.send(method, request);
      const { ready, pieces = false } = await connection.result();
      if (typeof ready !== "boolean") throw connection.malformed("ready");
      if (typeof pieces !== "boolean" || (ready && (pieces ? piece : open) === undefined))
        throw connection.malformed("pieces");
      if (ready && pieces) await sendPieces(connection, request, piece!);
      else if (ready) await sendPart(connection, request, open!());
      return ready;
    } finally {
      connection.close();
    }
  }

  private async call(method: string, params: unknown, signal?: AbortSignal): Promise<JsonObject> {
    const connection = await Connection.open(this.socket, signal);
    try {
      await connection.send(method, params);
      return await connection.result();
    } finally {
      connection.close();
    }
  }
}
