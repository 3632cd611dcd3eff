import type { IncomingMessage } from "node:http";
import { ApiError } from "./error";

/** The error of an answer that is no success: Kubernetes' Status, or what stands between us and it. */
export function errorOf(response: Pick<IncomingMessage, "statusCode" | "headers">, text: string): ApiError {
  const status = response.statusCode ?? 0;
  const { message, reason } = statusIn(text);
  return new ApiError(status, message ?? `HTTP ${status}`, {
    reason,
    retryAfterMs: retryAfterMs(response.headers["retry-after"], Date.now()),
  });
}

/** Header Retry-After (RFC 9110, 10.2.3): seconds or a date. */
export function retryAfterMs(header: string | undefined, now: number): number | undefined {
  if (header === undefined) return undefined;
  if (/^\d+$/.test(header)) return Number(header) * 1000;
  const at = Date.parse(header);
  return Number.isNaN(at) ? undefined : Math.max(0, at - now);
}

function statusIn(text: string): { readonly message?: string; readonly reason?: string } {
  try {
    const { message, reason } = JSON.parse(text) as { message?: unknown; reason?: unknown };
    return {
      message: typeof message === "string" && message !== "" ? message : undefined,
      reason: typeof reason === "string" && reason !== "" ? reason : undefined,
    };
  } catch {
    // Not a Status: a proxy in between answered.
    return {};
  }
}
