import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { messageOf } from "../../http";
import { NodeServiceError } from "./error";

/** The longest line of a response. The metadata of a checkpoint has at most 4 MiB, and JSON in JSON is not nested. */
const MAX_LINE_BYTES = 16 << 20;

/** Bytes that may wait to be sent: each wait for the service costs time of the processor. */
const MAX_BUFFERED_BYTES = 1 << 20;

interface Failure {
  readonly reason: string;
  readonly message: string;
  readonly container?: string;
  readonly remedy?: string;
}

/** One connection to the service, for one request. */
export class Connection {
  private buffered: Buffer = Buffer.alloc(0);
  private readonly received: AsyncIterator<Buffer>;

  private constructor(
    private readonly socket: Socket,
    private readonly path: string,
    private readonly signal?: AbortSignal,
  ) {
    this.received = socket[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  }

  /** @throws NodeServiceError; the signal's reason */
  static async open(path: string, signal?: AbortSignal): Promise<Connection> {
    signal?.throwIfAborted();
    const socket = connect({ path, allowHalfOpen: true });
    // Errors reach the reader. One that comes while nothing is read must not end the process.
    socket.on("error", () => undefined);
    const abort = () => socket.destroy();
    signal?.addEventListener("abort", abort, { once: true });
    socket.once("close", () => signal?.removeEventListener("abort", abort));
    try {
      await once(socket, "connect", { signal });
    } catch (error) {
      socket.destroy();
      signal?.throwIfAborted();
      throw new NodeServiceError(`cannot connect to ${path}: ${messageOf(error)}`, {
        remedy: "check that cedana-noded.service runs on the node",
        cause: error,
      });
    }
    return new Connection(socket, path, signal);
  }

  /** Sends a request. */
  async send(method: string, params: unknown): Promise<void> {
    await this.write(Buffer.from(`${JSON.stringify({ id: method, method, params })}\n`));
  }

  /** Sends bytes, as fast as the service takes them. The reader reports a connection that is closed. */
  async write(bytes: Uint8Array): Promise<void> {
    const { socket } = this;
    if (socket.destroyed || !socket.writable) return;
    // Sends what is written until the next event at once.
    socket.cork();
    process.nextTick(() => socket.uncork());
    if (socket.write(bytes) || socket.writableLength < MAX_BUFFERED_BYTES) return;
    await new Promise<void>((resolve) => {
      const done = () => {
        socket.off("drain", done).off("close", done);
        resolve();
      };
      socket.on("drain", done).on("close", done);
    });
  }

  /** Says that no more bytes follow. */
  end(): void {
    this.socket.end();
  }

  /** Reads the line of a response. @throws NodeServiceError with the service's reason, or without a line */
  async result(): Promise<unknown> {
    const { result, error } = this.parse(await this.line());
    if (error === undefined) return result;
    const { reason, message, container, remedy } = error as Failure;
    const at = container === undefined ? "" : `container ${container}: `;
    throw new NodeServiceError(`${at}${message}`, { reason, container, remedy });
  }

  /** Reads exactly so many bytes. @throws NodeServiceError if there are fewer */
  async bytes(count: number): Promise<Buffer> {
    while (this.buffered.length < count) await this.more();
    const taken = this.buffered.subarray(0, count);
    this.buffered = this.buffered.subarray(count);
    return taken;
  }

  /** Reads at least one byte and at most so many. @throws NodeServiceError if there is none */
  async someBytes(most: number): Promise<Buffer> {
    while (this.buffered.length === 0) await this.more();
    return this.bytes(Math.min(most, this.buffered.length));
  }

  close(): void {
    this.socket.destroy();
  }

  private async line(): Promise<string> {
    for (let searched = 0; ;) {
      const end = this.buffered.indexOf("\n", searched);
      if (end >= 0) return (await this.bytes(end + 1)).toString("utf8");
      if (this.buffered.length > MAX_LINE_BYTES) throw this.broken("a line is too long");
      searched = this.buffered.length;
      await this.more();
    }
  }

  private parse(line: string): { readonly result?: unknown; readonly error?: unknown } {
    try {
      return JSON.parse(line) as object;
    } catch (error) {
      throw this.broken("a line is not JSON", error);
    }
  }

  private async more(): Promise<void> {
    let next: IteratorResult<Buffer>;
    try {
      next = await this.received.next();
    } catch (error) {
      this.signal?.throwIfAborted();
      throw this.broken(messageOf(error), error);
    }
    this.signal?.throwIfAborted();
    if (next.done) throw this.broken("it closed the connection");
    this.buffered = this.buffered.length === 0 ? next.value : Buffer.concat([this.buffered, next.value]);
  }

  private broken(what: string, cause?: unknown): NodeServiceError {
    return new NodeServiceError(`the service at ${this.path} sent no response: ${what}`, { cause });
  }
}
