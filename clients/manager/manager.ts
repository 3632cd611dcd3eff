import type { Json } from "../../kube/client";
import { checkpointIdIn, containersIn, imageRefIn } from "./answers";
import { ManagerError, type ManagerOperation } from "./error";
import { exchange, type Answer } from "../exchange";
import { errorOf, failureOf, isSuccess } from "./failure";
import type {
  CheckpointOptions,
  ContainerReference,
  CrioRootfsOptions,
  ManagedContainer,
  RestoreOptions,
  RootfsOptions,
} from "./types";

export interface ManagerClientOptions {
  /** Such as http://cedana-manager-service.cedana-system:1324. A path is kept. */
  readonly url: string;
  /** Where the container runtime keeps its state: one of CONTAINER_ROOTS. */
  readonly root: string;
  /** Of checkpoints and restores, until the whole answer is read. Default: 600,000 (that of Cedana's own client). */
  readonly timeoutMs?: number;
  /** Of everything else. Default: 60,000. */
  readonly shortTimeoutMs?: number;
  /** Waits before the second and further tries, where a second try is safe. Default: 250, 1000. */
  readonly retryDelaysMs?: readonly number[];
}

interface Request<T> {
  readonly operation: ManagerOperation;
  readonly method: "GET" | "POST";
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: Json;
  readonly timeoutMs: number;
  /** Whether it changes nothing, and so may be sent again whatever came of it. */
  readonly safe?: boolean;
  readonly read: (text: string) => T;
}

/**
 * REST API of Cedana's manager. Sent again is only what is safe: a list, and what provably did not leave. A checkpoint
 * whose answer was lost is not repeated: it is an error whose outcome is unknown.
 *
 * All methods throw ManagerError, or the signal's reason if nothing had left.
 */
export class ManagerClient {
  private readonly url: URL;
  private readonly root: string;
  private readonly timeoutMs: number;
  private readonly shortTimeoutMs: number;
  private readonly retryDelaysMs: readonly number[];

  /** @throws TypeError if `url` is none */
  constructor(options: ManagerClientOptions) {
    this.url = new URL(options.url.endsWith("/") ? options.url : `${options.url}/`);
    this.root = options.root;
    this.timeoutMs = options.timeoutMs ?? 600_000;
    this.shortTimeoutMs = options.shortTimeoutMs ?? 60_000;
    this.retryDelaysMs = options.retryDelaysMs ?? [250, 1000];
  }

  /** Settles if anything answers. */
  async ping(signal?: AbortSignal): Promise<void> {
    const { timeoutMs, url } = { timeoutMs: this.shortTimeoutMs, url: this.url };
    await exchange({ method: "GET", url, timeoutMs, signal }).catch((error: unknown) => {
      throw failureOf("ping", error);
    });
  }

  /** Containers of a namespace. */
  list(namespace: string, signal?: AbortSignal): Promise<readonly ManagedContainer[]> {
    const request: Request<readonly ManagedContainer[]> = {
      operation: "list",
      method: "GET",
      path: `list/${encodeURIComponent(namespace)}`,
      // Proxies may drop the body of a GET.
      query: { root: this.root },
      body: { root: this.root },
      timeoutMs: this.shortTimeoutMs,
      safe: true,
      read: containersIn,
    };
    return this.send(request, signal);
  }

  /** @returns the id by which it is restored from remote storage; with a path there may be none */
  checkpoint(options: CheckpointOptions, signal?: AbortSignal): Promise<{ readonly checkpointId?: string }> {
    return this.post("checkpoint", "checkpoint", this.checkpointBody(options), signal, (text) => {
      const checkpointId = checkpointIdIn(text, options.path === undefined);
      return checkpointId === undefined ? {} : { checkpointId };
    });
  }

  /** The container that is restored into must sleep. */
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

  /** Makes an image of the container's root file system, with containerd. @returns the image */
  checkpointRootfs(options: RootfsOptions, signal?: AbortSignal): Promise<string> {
    const body = { ...names(options), address: options.address, image_ref: options.imageRef };
    return this.post("checkpoint rootfs", "checkpoint/rootfs", body, signal, imageRefIn);
  }

  /** Makes an image of the container's root file system, with CRI-O. @returns the image */
  checkpointRootfsCrio(options: CrioRootfsOptions, signal?: AbortSignal): Promise<string> {
    const body = { ...names(options), image_ref: options.imageRef, new_image_ref: options.newImageRef };
    return this.post("checkpoint rootfs (CRI-O)", "checkpoint/rootfs/crio", body, signal, imageRefIn);
  }

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
    return this.send({ operation, method: "POST", path, body, timeoutMs: this.timeoutMs, read }, signal);
  }

  private async send<T>(request: Request<T>, signal?: AbortSignal): Promise<T> {
    for (let attempt = 0; ; attempt++) {
      try {
        return await this.once(request, signal);
      } catch (error) {
        const wait = this.retryDelaysMs[attempt];
        const again = error instanceof ManagerError && error.retryable && wait !== undefined;
        if (!again) throw error;
        await sleep(wait, signal);
      }
    }
  }

  private async once<T>(request: Request<T>, signal?: AbortSignal): Promise<T> {
    const { operation, method, path, query = {}, body, timeoutMs, safe = false, read } = request;
    const url = new URL(path, this.url);
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
    let answer: Answer;
    try {
      answer = await exchange({ method, url, body, timeoutMs, signal });
    } catch (error) {
      throw failureOf(operation, error, safe);
    }
    if (!isSuccess(answer)) throw errorOf(operation, answer, safe);
    try {
      return read(answer.text);
    } catch (error) {
      throw failureOf(operation, error, false, answer.status);
    }
  }
}

function names({ containerName, sandboxName, namespace }: ContainerReference) {
  return { container_name: containerName, sandbox_name: sandboxName, namespace };
}

function nothing(): void {}

function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason as Error);
    const abort = () => {
      clearTimeout(timer);
      reject(signal?.reason as Error);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", abort);
      resolve();
    }, ms);
    signal?.addEventListener("abort", abort, { once: true });
  });
}
