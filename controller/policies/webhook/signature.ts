/**
 * Signatures of the Standard Webhooks specification 1.0.0 (github.com/standard-webhooks/standard-webhooks): HMAC-SHA256 over id,
 * timestamp and body.
 */
import { createHmac, timingSafeEqual } from "node:crypto";
import { FIRING_ID, FIRING_WINDOW } from "../../../api";

/** Headers of a signed request. */
export const HEADERS = {
  id: "webhook-id",
  timestamp: "webhook-timestamp",
  signature: "webhook-signature",
} as const;

/** Shortest and longest key, bytes. */
const KEY_BYTES = { min: 24, max: 64 } as const;
const PREFIX = "whsec_";
/** Keys of a Secret: two while one is replaced. */
const MAX_KEYS = 4;
/** Signatures of a request: one for each key of the sender. */
const MAX_SIGNATURES = 8;

const ID = new RegExp(`^${FIRING_ID}$`);

/** A request before its signature is verified. */
export interface SignedRequest {
  readonly id: string;
  /** Seconds since the epoch. */
  readonly timestamp: number;
  readonly signatures: readonly string[];
}

/**
 * Returns the keys of a text: one a line, `whsec_` and base64 of 24 to 64 bytes.
 * @throws Error if there is none or one is invalid. Its message does not repeat the text
 */
export function keysOf(text: string): readonly Buffer[] {
  const lines = text.split(/\s+/).filter((line) => line !== "");
  if (lines.length === 0 || lines.length > MAX_KEYS)
    throw new Error(`it has ${lines.length} keys; allowed: 1 to ${MAX_KEYS}, one per line`);
  return lines.map((line, index) => {
    const encoded = line.startsWith(PREFIX) ? line.slice(PREFIX.length) : "";
    const key = Buffer.from(encoded, "base64");
    const isCanonical = key.toString("base64").replaceAll("=", "") === encoded.replaceAll("=", "");
    if (!isCanonical || key.length < KEY_BYTES.min || key.length > KEY_BYTES.max)
      throw new Error(
        `key ${index + 1} is not ${PREFIX} and ${KEY_BYTES.min} to ${KEY_BYTES.max} bytes as base64`,
      );
    return key;
  });
}

/** Returns the signature of a request: `v1,` and base64. */
export function sign(key: Buffer, id: string, timestamp: number, body: string): string {
  return `v1,${createHmac("sha256", key).update(`${id}.${timestamp}.${body}`).digest("base64")}`;
}

/** Reads the headers. @returns undefined if one is missing or malformed */
export function readHeaders(headers: Readonly<Record<string, string>>): SignedRequest | undefined {
  const {
    [HEADERS.id]: id = "",
    [HEADERS.timestamp]: timestamp = "",
    [HEADERS.signature]: text = "",
  } = headers;
  const signatures = text.split(" ").filter((one) => one.startsWith("v1,"));
  if (!ID.test(id) || !/^[1-9]\d{0,11}$/.test(timestamp)) return undefined;
  if (signatures.length === 0 || signatures.length > MAX_SIGNATURES) return undefined;
  return { id, timestamp: Number(timestamp), signatures };
}

/** Checks whether the timestamp is near enough to the time. */
export function isTimely({ timestamp }: SignedRequest, nowMs: number): boolean {
  const aheadSeconds = timestamp - nowMs / 1000;
  return aheadSeconds <= FIRING_WINDOW.aheadSeconds && aheadSeconds >= -FIRING_WINDOW.behindSeconds;
}

/** Checks whether one of the keys has signed the request. Each comparison takes the same time. */
export function isSigned(
  keys: readonly Buffer[],
  { id, timestamp, signatures }: SignedRequest,
  body: string,
): boolean {
  let found = false;
  for (const key of keys) {
    const expected = Buffer.from(sign(key, id, timestamp, body));
    for (const signature of signatures) {
      const given = Buffer.from(signature);
      if (given.length === expected.length && timingSafeEqual(given, expected)) found = true;
    }
  }
  return found;
}
