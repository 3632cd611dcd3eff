import type { WebhookTrigger } from "../../../api";
import type { Trigger } from "../core/types";

/** On request, at the time when the last signed request was accepted. */
export const webhook: Trigger<WebhookTrigger> = {
  isRequest: true,
  next: (_, { firedMs }, afterMs) => (firedMs !== undefined && firedMs > afterMs ? firedMs : undefined),
  // The clock of the receiver may be behind: a request is done only by itself.
  done: (dueMs) => dueMs,
};
