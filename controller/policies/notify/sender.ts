/** One attempt to deliver a notification. */
import type { NotifyDestination } from "../../../config/install";
import {
  Deadline,
  messageOf,
  NoResponseError,
  open,
  refusedAddress,
  retryAfterMs,
  type RefuseAddress,
} from "../../../http";
import type { Keys } from "../webhook/keys";
import { HEADERS, sign } from "../webhook/signature";

/** From the start of an attempt to the status of the response. */
const TIMEOUT_MS = 10_000;
const CONNECT_MS = 5000;

/** A request, before it is signed. */
export interface Message {
  readonly id: string;
  readonly body: string;
}

/** How an attempt ended. */
export type Attempt =
  | { readonly is: "delivered" }
  | {
      /** `rejected`: another attempt would end the same way. */
      readonly is: "failed" | "rejected";
      /** For users of policies. Contains no addresses, no names of Secrets, and no content from the receiver. */
      readonly cause: string;
      /** For the log of the controller. */
      readonly detail?: string;
      /** How long the receiver postpones requests. */
      readonly retryAfterMs?: number;
    };

/** Sends a message to a destination. @throws the reason of the signal, if it was aborted */
export type Send = (
  destination: NotifyDestination,
  message: Message,
  signal: AbortSignal,
) => Promise<Attempt>;

export interface SenderOptions {
  readonly keys: Pick<Keys, "of">;
  /** Namespace of the Secrets. */
  readonly namespace: string;
  /** Decides which addresses may be connected to. Default: neither the node itself, nor its metadata. */
  readonly refuse?: RefuseAddress;
}

/** Returns the function that signs and sends. Redirects are not followed, and the body of the response is not read. */
export function sender({ keys, namespace, refuse = refusedAddress }: SenderOptions): Send {
  return async ({ url, secret, caBundle }, { id, body }, signal) => {
    const nowMs = Date.now();
    let signatures: string;
    const timestamp = Math.floor(nowMs / 1000);
    try {
      const known = await keys.of(namespace, secret, nowMs);
      signatures = known.map((key) => sign(key, id, timestamp, body)).join(" ");
    } catch (error) {
      return { is: "failed", cause: "the signing key cannot be read", detail: messageOf(error) };
    }
    const deadline = new Deadline(TIMEOUT_MS, `no response within ${TIMEOUT_MS / 1000} s`, signal);
    try {
      const response = await open(
        {
          method: "POST",
          url: new URL(url),
          headers: {
            "content-type": "application/json",
            "user-agent": "cedana-controller",
            [HEADERS.id]: id,
            [HEADERS.timestamp]: String(timestamp),
            [HEADERS.signature]: signatures,
          },
          body,
          ...(caBundle === undefined ? {} : { ca: caBundle }),
          refuse,
          connectTimeoutMs: CONNECT_MS,
        },
        deadline,
      );
      response.on("error", () => {});
      response.destroy();
      return outcomeOf(response.statusCode ?? 0, response.headers["retry-after"], Date.now());
    } catch (error) {
      if (signal.aborted) throw error;
      return { is: "failed", cause: causeOf(error), detail: messageOf(error) };
    } finally {
      deadline.close();
    }
  };
}

/** Longest time that a receiver can postpone further requests. */
const MAX_RETRY_AFTER_MS = 3_600_000;

/** Returns what the status of a response means. Only 2xx is a delivery. */
export function outcomeOf(status: number, retryAfter: string | undefined, nowMs: number): Attempt {
  if (status >= 200 && status < 300) return { is: "delivered" };
  const cause = `HTTP ${status}`;
  if (status >= 300 && status < 400) return { is: "rejected", cause: `${cause}: redirects are not followed` };
  // Gone: the receiver accepts no further requests.
  if (status === 410) return { is: "rejected", cause };
  const ms = status === 429 || status === 503 ? retryAfterMs(retryAfter, nowMs) : undefined;
  return {
    is: "failed",
    cause,
    ...(ms === undefined ? {} : { retryAfterMs: Math.min(ms, MAX_RETRY_AFTER_MS) }),
  };
}

/** Returns the cause of an attempt without a response. Messages of Node contain addresses. */
function causeOf(error: unknown): string {
  const { code } = error as NoResponseError;
  if (code === "EADDRREFUSED") return "its address is refused";
  if (code !== undefined) return `no response: ${code}`;
  return error instanceof NoResponseError ? error.message : "no response";
}
