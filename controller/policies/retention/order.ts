import type { RetainedCheckpoint } from "./facts";

/** Orders by the end, newest first, then by name, as the restore of `latest` does. */
export function newestFirst(a: RetainedCheckpoint, b: RetainedCheckpoint): number {
  return (b.endedMs ?? 0) - (a.endedMs ?? 0) || (a.key < b.key ? -1 : a.key > b.key ? 1 : 0);
}
