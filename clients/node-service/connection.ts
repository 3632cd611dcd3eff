import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { isObject, messageOf, type Json, type JsonObject } from "../../http";
import { NodeServiceError } from "./error";

/** The longest line of a response. The metadata of a checkpoint has at most 4 MiB, and JSON in JSON is not nested. */
const MAX_LINE_BYTES = 16 << 20;
/** Bytes of one read of a line. Those of a segment are read into its own memory. */
const READ_BYTES = 64 << 10;

/**
 * One connection to the service, for one request. It reads only when it is asked to, and large content directly into the
 * memory of the caller: a stream of small chunks takes twice the processor time.
 */
export class Connection {
  private readonly socket: Socket;
  private readonly scratch = Buffer.allocUnsafeSlow(READ_BYTES);
  /** What was received and not taken yet. It can be a part of `scratch`. */
  private buffered: Buffer = Buffer.alloc(0);
  /** What is left of the memory that is being filled. */
  private target: Buffer | undefined;
  /** Wakes the reader. */
  private wake: () => void = () => undefined;
  private ended = false;
  private failure: Error | undefined;

  private constructor(
    private readonly path: string,
    private readonly signal?: AbortSignal,
  ) {
    this.socket = connect({
      path,
      allowHalfOpen: true,
      onread: {
        buffer: () => this.target ?? this.scratch,
        callback: (bytes, into) => this.received(bytes, into),
      },
    });
    const end = () => {
      this.ended = true;
      this.wake();
    };
    this.socket.on("end", end).on("close", end);
    // An error reaches the reader. One that comes while nothing is read must not end the process.
    this.socket.on("error", (error) => (this.failure = error));
  }

  /** @throws NodeServiceError; the signal's reason */
  static async open(path: string, signal?: AbortSignal): Promise<Connection> {
    signal?.throwIfAborted();
    const connection = new Connection(path, signal);
    const { socket } = connection;
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
    return connection;
  }

  /** Sends a request. */
  async send(method: string, params: unknown): Promise<void> {
    await this.write(Buffer.from(`${JSON.stringify({ id: method, method, params })}\n`));
  }

  /** Sends bytes and waits until the service has them. The reader reports a connection that is closed. */
  async write(bytes: Uint8Array): Promise<void> {
    const { socket } = this;
    if (socket.destroyed || !socket.writable) return;
    await new Promise<void>((resolve) => socket.write(bytes, () => resolve()));
  }

  /** Says that no more bytes follow. */
  end(): void {
    this.socket.end();
  }

  /** Reads the line of a response. @throws NodeServiceError with the service's reason, or without a line */
  async result(): Promise<JsonObject> {
    const response = this.parse(await this.line());
    const { result, error } = isObject(response) ? response : {};
    if (error === undefined && isObject(result)) return result;
    const { reason, message, container, remedy } = isObject(error) ? error : {};
    if (typeof message !== "string" || typeof reason !== "string")
      throw this.broken("a line has neither a result nor an error");
    const [of, how] = [container, remedy].map((one) => (typeof one === "string" ? one : undefined));
    const at = of === undefined ? "" : `container ${of}: `;
    throw new NodeServiceError(`${at}${message}`, { reason, container: of, remedy: how });
  }

  /** Returns the error of a response that does not have what it must have. */
  malformed(what: string): NodeServiceError {
    return this.broken(`its response has no valid ${what}`);
  }

  /** Reads as many bytes as the memory has. @throws NodeServiceError if there are fewer */
  async fill(memory: Buffer): Promise<void> {
    this.signal?.throwIfAborted();
    const taken = Math.min(this.buffered.length, memory.length);
    this.buffered.copy(memory, 0, 0, taken);
    this.buffered = this.buffered.subarray(taken);
    if (taken === memory.length) return;
    this.target = memory.subarray(taken);
    await this.progress();
    if (this.target !== undefined) throw this.closed();
  }

  close(): void {
    this.socket.destroy();
  }

  /** Takes what was read. Returns whether to read on. */
  private received(bytes: number, into: Uint8Array): boolean {
    const { scratch, target } = this;
    if (target === undefined) {
      this.buffered = Buffer.concat([this.buffered, scratch.subarray(0, bytes)]);
      this.wake();
      return false;
    }
    // The memory for the first read was chosen before the target was known.
    const taken = into === scratch ? scratch.copy(target, 0, 0, Math.min(bytes, target.length)) : bytes;
    if (into === scratch) this.buffered = Buffer.from(scratch.subarray(taken, bytes));
    this.target = taken < target.length ? target.subarray(taken) : undefined;
    if (this.target !== undefined) return true;
    this.wake();
    return false;
  }

  private async line(): Promise<string> {
    this.signal?.throwIfAborted();
    for (let searched = 0; ;) {
      const end = this.buffered.indexOf("\n", searched);
      if (end >= 0) {
        const line = this.buffered.toString("utf8", 0, end);
        this.buffered = this.buffered.subarray(end + 1);
        return line;
      }
      searched = this.buffered.length;
      if (searched > MAX_LINE_BYTES) throw this.broken("a line is too long");
      await this.progress();
      if (this.buffered.length === searched) throw this.closed();
    }
  }

  private parse(line: string): Json {
    try {
      return JSON.parse(line) as Json;
    } catch (error) {
      throw this.broken("a line is not JSON", error);
    }
  }

  /** Waits for bytes, or for the end of the connection. @throws the signal's reason */
  private async progress(): Promise<void> {
    if (!this.ended)
      await new Promise<void>((resolve) => {
        this.wake = resolve;
        this.socket.resume();
      });
    this.signal?.throwIfAborted();
  }

  private closed(): NodeServiceError {
    const { failure } = this;
    return this.broken(failure === undefined ? "it closed the connection" : messageOf(failure), failure);
  }

  private broken(what: string, cause?: unknown): NodeServiceError {
    return new NodeServiceError(`the service at ${this.path} sent no response: ${what}`, { cause });
  }
}
