import { FALLBACKS, LATEST, REQUEST, type Fallback } from "../../../api";

/** What the annotations of a pod ask for. */
export interface RestoreRequest {
  /** Name of a Checkpoint, or `latest`. */
  readonly from: string;
  readonly fallback: Fallback;
  readonly shared: boolean;
}

/** Names of objects: DNS subdomains. */
const NAME = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;

/** @returns the request, or in words what is wrong with it */
export function readRequest(annotations: Readonly<Record<string, string>>): RestoreRequest | string {
  const from = annotations[REQUEST.from] ?? "";
  const fallback = annotations[REQUEST.fallback] ?? "fresh";
  const shared = annotations[REQUEST.shared] ?? "false";
  if (!NAME.test(from) || from.length > 253)
    return wrong(REQUEST.from, from, `${LATEST}, or the name of a Checkpoint of the namespace`);
  const known = FALLBACKS.find((one) => one === fallback);
  if (known === undefined) return wrong(REQUEST.fallback, fallback, FALLBACKS.join(" or "));
  if (shared !== "true" && shared !== "false") return wrong(REQUEST.shared, shared, `"true" or "false"`);
  return { from, fallback: known, shared: shared === "true" };
}

function wrong(annotation: string, given: string, allowed: string): string {
  return `annotation ${annotation} is ${JSON.stringify(given)}; allowed: ${allowed}`;
}
