import { setMaxListeners } from "node:events";
import { NoResponseError } from "./errors";

/** Aborts its signal after a timeout, or when another signal is aborted. */
export class Deadline {
  private readonly controller = new AbortController();
  private timer?: NodeJS.Timeout;
  private endMs = Infinity;
  private readonly abort = () => this.controller.abort(this.outer?.reason);

  constructor(
    private readonly ms: number,
    /** Message of the error after the timeout. */
    private readonly message: string,
    private readonly outer?: AbortSignal,
  ) {
    if (outer?.aborted) this.abort();
    if (outer) {
      // One signal cancels every request of a process: many listeners are no leak.
      setMaxListeners(0, outer);
      outer.addEventListener("abort", this.abort, { once: true });
    }
    this.start();
  }

  get signal(): AbortSignal {
    return this.controller.signal;
  }

  /** Whether the signal is aborted, or would be if timers had run: they run late after a process was stopped. */
  get isOver(): boolean {
    return this.signal.aborted || performance.now() >= this.endMs;
  }

  /** Restarts the timeout. */
  start(): void {
    this.stop();
    this.endMs = performance.now() + this.ms;
    this.timer = setTimeout(() => this.controller.abort(this.error(false)), this.ms);
  }

  /** Stops the timeout. The other signal still counts. */
  stop(): void {
    clearTimeout(this.timer);
    this.endMs = Infinity;
  }

  /** Releases the timer and the other signal. Every deadline must be closed. */
  close(): void {
    this.stop();
    this.outer?.removeEventListener("abort", this.abort);
  }

  /** Returns the result of the work, or rejects with the signal's reason if that comes first. */
  async race<T>(work: Promise<T>): Promise<T> {
    const { signal } = this;
    let abort = () => {};
    const aborted = new Promise<never>((_, reject) => {
      abort = () => reject(signal.reason as Error);
      if (signal.aborted) abort();
      else signal.addEventListener("abort", abort, { once: true });
    });
    try {
      return await Promise.race([work, aborted]);
    } finally {
      signal.removeEventListener("abort", abort);
    }
  }

  /** Returns the error of a request that the deadline ended: the other signal's reason if it was canceled before it was sent. */
  error(sent: boolean): Error {
    if (this.outer?.aborted) {
      const { reason } = this.outer as { readonly reason: Error };
      return sent ? new NoResponseError("the request was canceled", true, reason) : reason;
    }
    return new NoResponseError(sent ? this.message : `${this.message}: the request was not sent`, sent);
  }
}
