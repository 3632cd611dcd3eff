import { sleep } from "../../kube";

/** What a sweep may cost the registry. */
export interface Limits {
  /** Manifests of a repository that one sweep reads. The next sweep continues. */
  readonly reads: number;
  /** Pause between two requests, ms. */
  readonly pauseMs: number;
}

/** At most 10 requests a second. */
export const LIMITS: Limits = { reads: 500, pauseMs: 100 };

/** Waits before the next request. @throws the signal's reason */
export async function paused({ pauseMs }: Limits, signal: AbortSignal): Promise<void> {
  await sleep(pauseMs, signal);
  signal.throwIfAborted();
}
