/** The webhook's process: terminates TLS, reads and parses requests of anonymous clients, and passes reviews to its parent. */
import { createLogger } from "../log";
import { InvalidReviewError, type AdmissionHandler, type AdmissionResponse } from "./review";
import type { Refusal } from "./limits";
import type { FromChild, ToChild } from "./messages";
import type { PlainHandler, PlainResponse } from "./plain";
import { WebhookServer } from "./server";

/** Interval at which refusals are reported, so that many of them cost the parent nothing. */
const REPORT_MS = 1_000;
/** How long the parent may take for one review. The API server waits for 5 s. */
const DECISION_MS = 6_000;

interface Waiting {
  readonly resolve: (response: never) => void;
  readonly reject: (error: Error) => void;
}

/** Serves until the parent closes the channel or ends. */
export function runWebhookChild(): void {
  const waiting = new Map<number, Waiting>();
  const refusals = new Map<Refusal, number>();
  let server: WebhookServer | undefined;
  let count = 0;
  const send = (message: FromChild) => void process.send?.(message, undefined, {}, () => undefined);
  /** Sends a message with a number, and waits for the response to it. */
  const ask = async <T>(message: (id: number) => FromChild): Promise<T> => {
    const id = ++count;
    let timer: NodeJS.Timeout | undefined;
    try {
      return await new Promise<T>((resolve, reject) => {
        waiting.set(id, { resolve, reject });
        timer = setTimeout(() => reject(new Error(`no decision within ${DECISION_MS} ms`)), DECISION_MS);
        send(message(id));
      });
    } finally {
      clearTimeout(timer);
      waiting.delete(id);
    }
  };
  const forward =
    (path: string): AdmissionHandler =>
    (request) =>
      ask<AdmissionResponse>((id) => ({ is: "review", id, path, request }));
  const handle: PlainHandler = (request) => ask<PlainResponse>((id) => ({ is: "request", id, request }));
  const start = async ({ port, paths, plain, level }: Extract<ToChild, { do: "start" }>) => {
    server = new WebhookServer({
      port,
      log: createLogger({ level }),
      handlers: Object.fromEntries(paths.map((path) => [path, forward(path)])),
      ...(plain && { plain: { ...plain, handle } }),
      // The parent waits.
      drainMs: 0,
      onRefused: (refusal) => refusals.set(refusal, (refusals.get(refusal) ?? 0) + 1),
    });
    try {
      send({ is: "listening", port: await server.start() });
    } catch (error) {
      send({ is: "failed", message: String(error) });
    }
  };
  setInterval(() => {
    if (refusals.size === 0) return;
    send({ is: "refused", refusals: Object.fromEntries(refusals) });
    refusals.clear();
  }, REPORT_MS).unref();
  process.on("message", (message: ToChild) => {
    switch (message.do) {
      case "start":
        return void start(message);
      case "use":
        return server?.use(message);
      case "respond":
        return waiting.get(message.id)?.resolve(message.response as never);
      case "fail": {
        const { id, message: text, invalid } = message;
        return waiting.get(id)?.reject(invalid ? new InvalidReviewError(text) : new Error(text));
      }
      case "stop":
        return void server?.drain();
      default:
        return void server?.close().then(() => process.disconnect?.());
    }
  });
  // Without a parent no review is decided.
  process.on("disconnect", () => process.exit(0));
  // The parent ends it: signals of a terminal reach both.
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => undefined);
}
