import { setTimeout as pause } from "node:timers/promises";
import { exchange, type HttpResponse, type Json } from "../../../http";
import {
  ManagerError,
  noResponseError,
  statusError,
  unexpectedResponse,
  type ManagerOperation,
} from "./errors";
import {
  checkpointIdIn,
  imageRefIn,
  type CheckpointOptions,
  type ContainerReference,
  type CrioRootfsOptions,
  type RestoreOptions,
  type RootfsOptions,
} from "./responses";

export interface ManagerClientOptions {
  /** Such as http://cedana-manager-service.cedana-system:1324. May have a path. */
  readonly url: string;
  /** State directory of the container runtime: one of CONTAINER_ROOTS. */
  readonly root: string;
  /** Until the end of the response. Default: 600,000, as in Cedana's own client. */
  readonly timeoutMs?: number;
  /** Delay before each retry of a request that was not sent. Default: 250, 1000. */
  readonly retryDelaysMs?: readonly number[];
}

interface Request {
  readonly operation: ManagerOperation;
  readonly path: string;
  readonly body: Json;
}

/** The manager runs in the same cluster. */
const CONNECT_TIMEOUT_MS = 10_000;

/**
 * Client of the REST API of Cedana's manager. Retries only requests that were not sent. If a response was lost, the outcome is
 * unknown.
 *
 * All methods throw ManagerError, or the signal's reason if nothing was sent.
 */
export class ManagerClient {
  private readonly url: URL;
  private readonly root: string;
  private readonly timeoutMs: number;
  private readonly retryDelaysMs: readonly number[];

  /** @throws TypeError if `url` is not a URL */
  constructor(options: ManagerClientOptions) {
    this.url = new URL(options.url.endsWith("/") ? options.url : `${options.url}/`);
    this.root = options.root;
    this.timeoutMs = options.timeoutMs ?? 600_000;
    this.retryDelaysMs = options.retryDelaysMs ?? [250, 1000];
  }

  /** Takes a checkpoint. @returns the id that restores it from remote storage; with a path it can be missing */
  checkpoint(options: CheckpointOptions, signal?: AbortSignal): Promise<{ readonly checkpointId?: string }> {
    return this.post("checkpoint", "checkpoint", this.checkpointBody(options), signal, (text) => {
      const checkpointId = checkpointIdIn(text, options.path === undefined);
      return checkpointId === undefined ? {} : { checkpointId };
    });
  }

  /** Restores a checkpoint into a container whose process sleeps. */
  restore(options: RestoreOptions, signal?: AbortSignal): Promise<void> {
    const { path, checkpointId } = options;
    const data = {
      ...names(options),
      ...(path === undefined ? {} : { checkpoint_path: path }),
      ...(checkpointId === undefined ? {} : { checkpoint_id: checkpointId }),
      root: this.root,
    };
    return this.post("restore", "restore", { checkpoint_data: data }, signal, nothing);
  }

  /** Creates an image of the container's root file system with containerd. @returns the image */
  checkpointRootfs(options: RootfsOptions, signal?: AbortSignal): Promise<string> {
    const body = { ...names(options), address: options.address, image_ref: options.imageRef };
    return this.post("checkpoint rootfs", "checkpoint/rootfs", body, signal, imageRefIn);
  }

  /** Creates an image of the container's root file system with CRI-O. @returns the image */
  checkpointRootfsCrio(options: CrioRootfsOptions, signal?: AbortSignal): Promise<string> {
    const body = { ...names(options), image_ref: options.imageRef, new_image_ref: options.newImageRef };
    return this.post("checkpoint rootfs (CRI-O)", "checkpoint/rootfs/crio", body, signal, imageRefIn);
  }

  /** Restores the container's root file system from an image. */
  restoreRootfs(options: RootfsOptions, signal?: AbortSignal): Promise<void> {
    const body = { ...names(options), address: options.address, image_ref: options.imageRef };
    return this.post("restore rootfs", "restore/rootfs", body, signal, nothing);
  }

  private checkpointBody(options: CheckpointOptions): Json {
    const { path, leaveRunning } = options;
    return {
      checkpoint_data: {
        ...names(options),
        ...(path === undefined ? {} : { checkpoint_path: path }),
        root: this.root,
      },
      leave_running: leaveRunning,
    };
  }

  private post<T>(
    operation: ManagerOperation,
    path: string,
    body: Json,
    signal: AbortSignal | undefined,
    read: (text: string) => T,
  ): Promise<T> {
    return this.send({ operation, path, body }, read, signal);
  }

  private async send<T>(request: Request, read: (text: string) => T, signal?: AbortSignal): Promise<T> {
    for (let attempt = 0; ; attempt++) {
      try {
        return await this.sendOnce(request, read, signal);
      } catch (error) {
        const delayMs = this.retryDelaysMs[attempt];
        if (!(error instanceof ManagerError) || !error.retryable || delayMs === undefined) throw error;
        await pause(delayMs, undefined, { signal }).catch(() => signal?.throwIfAborted());
      }
    }
  }

  private async sendOnce<T>(request: Request, read: (text: string) => T, signal?: AbortSignal): Promise<T> {
    const { operation } = request;
    const response = await this.exchange(request, signal);
    const { status, body } = response;
    if (status < 200 || status >= 300) throw statusError(operation, response);
    try {
      return read(body.toString("utf8"));
    } catch (error) {
      throw unexpectedResponse(operation, error, status);
    }
  }

  private async exchange(request: Request, signal?: AbortSignal): Promise<HttpResponse> {
    const { operation, path, body } = request;
    const headers = {
      accept: "application/json",
      "content-type": "application/json",
      "user-agent": "cedana-controller",
    };
    const call = {
      method: "POST",
      url: new URL(path, this.url),
      headers,
      body: JSON.stringify(body),
      connectTimeoutMs: CONNECT_TIMEOUT_MS,
    } as const;
    try {
      return await exchange(call, { timeoutMs: this.timeoutMs, signal });
    } catch (error) {
      throw noResponseError(operation, error);
    }
  }
}

function names({ containerName, sandboxName, namespace }: ContainerReference) {
  return { container_name: containerName, sandbox_name: sandboxName, namespace };
}

function nothing(): void {}
