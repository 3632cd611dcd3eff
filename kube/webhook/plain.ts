/** Requests of a webhook's server that are no admission reviews. */
import type { IncomingMessage } from "node:http";
import { RateLimit, type Rate, type Refusal } from "./limits";

/** A complete request. */
export interface PlainRequest {
  /** Without the query. */
  readonly path: string;
  /** Those that the rules name and the request has once. */
  readonly headers: Readonly<Record<string, string>>;
  /** As UTF-8. */
  readonly body: string;
}

export interface PlainResponse {
  readonly status: number;
  readonly text: string;
  /** When the client may try again. */
  readonly retryAfterSeconds?: number;
}

export type PlainHandler = (request: PlainRequest) => Promise<PlainResponse>;

/** Which requests reach the handler. */
export interface PlainRules {
  /** Names of the headers that it receives, in lower case. */
  readonly headers: readonly string[];
  /** Largest body. */
  readonly maxBytes: number;
  /** Requests of all clients together, and of one source address. */
  readonly rates: { readonly total: Rate; readonly perSource: Rate };
}

/** Limits how many requests reach a handler. */
export class PlainLimits {
  private readonly total: RateLimit;
  private readonly perSource: RateLimit;

  constructor({ rates }: PlainRules) {
    this.total = new RateLimit(rates.total);
    this.perSource = new RateLimit(rates.perSource);
  }

  /** Takes a request of the source. @returns why it is refused */
  take(source: string, nowMs: number): Refusal | undefined {
    // A source that sends too many must not use up what all have together.
    return this.perSource.take(source, nowMs) && this.total.take("", nowMs) ? undefined : "requests";
  }
}

/** Returns the headers that the rules name. */
export function headersOf(
  { headers }: Pick<IncomingMessage, "headers">,
  names: readonly string[],
): Readonly<Record<string, string>> {
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = headers[name];
      return typeof value === "string" ? [[name, value]] : [];
    }),
  );
}
