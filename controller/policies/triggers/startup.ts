import type { StartupTrigger } from "../../../api";
import type { Trigger } from "../core/types";

/** Once for a revision or a pod, when a pod has been Ready for a time. */
export const startup: Trigger<StartupTrigger> = {
  // A pod that was Pending becomes Running and Ready in one update, whose time is before the update is seen.
  isRequest: true,
  next({ readySeconds = 0 }, { pod: { readySinceMs } }, afterMs) {
    const dueMs = readySinceMs === undefined ? undefined : readySinceMs + readySeconds * 1000;
    return dueMs !== undefined && dueMs > afterMs ? dueMs : undefined;
  },
  once: ({ oncePer = "Revision" }, { uid, name, revision }) =>
    oncePer === "Pod" ? { id: uid, name } : revision,
  done: (dueMs) => dueMs,
};
