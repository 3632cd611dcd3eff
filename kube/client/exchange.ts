import { setMaxListeners } from "node:events";
import type { OutgoingHttpHeaders } from "node:http";
import * as http from "node:http";
import * as https from "node:https";
import type { Socket } from "node:net";

/**
 * Starts a request. The deadline ends it, and the reading of its answer. Nothing is sent after the deadline, also by a process
 * that stood still while it connected and so sees its connection before its timers.
 * @returns its answer once the headers are there
 */
export function open(
  options: https.RequestOptions,
  body: string | undefined,
  deadline: Deadline,
): Promise<http.IncomingMessage> {
  const { signal } = deadline;
  return new Promise((resolve, reject) => {
    const { request } = options.protocol === "http:" ? http : https;
    // Node names no length for the body of a DELETE: the API server would take it for the next request.
    const length = body === undefined ? {} : { "content-length": Buffer.byteLength(body) };
    const call = request({ ...options, headers: { ...(options.headers as OutgoingHttpHeaders), ...length } });
    call.once("response", (response) => {
      // Who reads the answer gets the error; where nobody reads it yet, it must not end the process.
      response.on("error", () => {});
      const end = () => response.destroy(reasonOf(signal));
      signal.addEventListener("abort", end, { once: true });
      response.once("close", () => signal.removeEventListener("abort", end));
      resolve(response);
    });
    const abort = () => call.destroy(signal.aborted ? reasonOf(signal) : new Error(deadline.message));
    signal.addEventListener("abort", abort, { once: true });
    call.once("close", () => signal.removeEventListener("abort", abort));
    // Finds a peer that is gone, without a word, within half a minute: the kernel asks it.
    call.setSocketKeepAlive(true, 15_000);
    call.on("error", reject);
    call.once("socket", (socket) => {
      // What is given to a request before that goes out whenever it is connected.
      onceConnected(socket, () => (deadline.isOver ? abort() : call.end(body)));
    });
    if (signal.aborted) abort();
  });
}

function onceConnected(socket: Socket, act: () => void): void {
  // Of a TLSSocket that has not shaken hands yet.
  const { secureConnecting } = socket as { secureConnecting?: boolean };
  if (secureConnecting) socket.once("secureConnect", act);
  else if (socket.connecting) socket.once("connect", act);
  else act();
}

/** The whole answer. @throws Error if the connection ends before the answer does */
export async function read(response: http.IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString("utf8");
}

/** A signal that is given with another one, or when time is over. */
export class Deadline {
  private readonly controller = new AbortController();
  private timer?: NodeJS.Timeout;
  private endMs = Infinity;
  private readonly abort = () => this.controller.abort(this.outer?.reason);

  constructor(
    private readonly ms: number,
    /** What the error says when time is over. */
    readonly message: string,
    private readonly outer?: AbortSignal,
  ) {
    if (outer?.aborted) this.abort();
    if (outer) {
      // One signal ends every request of a process: many listeners are no leak.
      setMaxListeners(0, outer);
      outer.addEventListener("abort", this.abort, { once: true });
    }
    this.start();
  }

  get signal(): AbortSignal {
    return this.controller.signal;
  }

  /** Whether the signal is given, or would be if timers had run already. */
  get isOver(): boolean {
    return this.signal.aborted || performance.now() >= this.endMs;
  }

  /** Starts the time anew. */
  start(): void {
    this.stop();
    this.endMs = performance.now() + this.ms;
    this.timer = setTimeout(() => this.controller.abort(new Error(this.message)), this.ms);
  }

  stop(): void {
    clearTimeout(this.timer);
    this.endMs = Infinity;
  }

  /** Must be called in the end, or the other signal keeps it. */
  end(): void {
    this.stop();
    this.outer?.removeEventListener("abort", this.abort);
  }

  /** The work, or the reason why the signal was given if that is first. */
  race<T>(work: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const abort = () => reject(reasonOf(this.signal));
      if (this.signal.aborted) abort();
      this.signal.addEventListener("abort", abort, { once: true });
      work.then(resolve, reject).finally(() => this.signal.removeEventListener("abort", abort));
    });
  }
}

function reasonOf(signal: AbortSignal): Error {
  return signal.reason as Error;
}
