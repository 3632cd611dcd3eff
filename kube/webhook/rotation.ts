import { isAlive, LIFETIME_MS, validityOf, type Pair } from "./certificate";

/** Contents of the Secret, decoded. */
export interface Held {
  /** The pair that the webhook serves. */
  readonly current?: Pair;
  /** The pair that it will serve, once API servers trust its authority. */
  readonly next?: Pair;
  /** Authority of the pair before: a replica may be late. */
  readonly previousCa?: string;
}

export type Step =
  /** The current pair is missing, expired, or of other names: issue one at once. */
  | { readonly do: "issue" }
  /** The current pair is old: issue the next one. */
  | { readonly do: "prepare" }
  /** The next pair is trusted: it becomes the current one. */
  | { readonly do: "promote" }
  /** Nothing, for so long. */
  | { readonly do: "wait"; readonly ms: number };

/** A pair is renewed after two thirds of its validity. */
const RENEW_MS = (LIFETIME_MS * 2) / 3;
/** Time until the next pair is served: all API servers have its authority by then. */
export const SETTLE_MS = 600_000;

/**
 * Returns the next step of the rotation.
 * @param bundle authorities that the API server trusts, as PEM
 * @param dnsNames of the webhook's Service
 */
export function nextStep(held: Held, bundle: string, dnsNames: readonly string[], now: number): Step {
  const current = held.current && validityOf(held.current, dnsNames);
  if (!current || current.expiresMs <= now) return { do: "issue" };
  const next = held.next && validityOf(held.next, dnsNames);
  if (!next || !held.next || next.expiresMs <= now) {
    const renewMs = current.issuedMs + RENEW_MS;
    return renewMs <= now ? { do: "prepare" } : { do: "wait", ms: renewMs - now };
  }
  const settledMs = next.issuedMs + SETTLE_MS;
  if (now < settledMs) return { do: "wait", ms: settledMs - now };
  // A bundle without it is written first; the watch reports that.
  return bundle.includes(held.next.ca.trim()) ? { do: "promote" } : { do: "wait", ms: SETTLE_MS };
}

/** Returns the contents of the Secret after a step. */
export function after(step: "issue" | "prepare" | "promote", held: Held, issued: Pair | undefined): Held {
  const { current, next, previousCa } = held;
  const before = current === undefined ? previousCa : current.ca;
  const previous = before === undefined ? {} : { previousCa: before };
  if (step === "promote") return { ...(next ? { current: next } : {}), ...previous };
  if (step === "issue") return { ...(issued ? { current: issued } : {}), ...previous };
  return { ...held, ...(issued ? { next: issued } : {}) };
}

/** Returns the authorities that API servers must trust: of the current, next and previous pair. */
export function bundleOf({ current, next, previousCa }: Held, now: number): string {
  const all = [current?.ca, next?.ca, previousCa].filter((ca) => ca !== undefined && isAlive(ca, now));
  return [...new Set(all)].join("");
}
