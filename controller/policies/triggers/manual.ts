import type { Trigger } from "../core/types";

/** On request, at the time in an annotation. A later time is another request. */
export const manual: Trigger<object> = {
  isRequest: true,
  next: (_, { pod: { requestedMs } }, afterMs) =>
    requestedMs !== undefined && requestedMs > afterMs ? requestedMs : undefined,
  // The clock of the user may be behind: a request is done only by itself.
  done: (dueMs) => dueMs,
};
