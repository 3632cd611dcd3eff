import { conditionsOf, toolConditions, type PolicyStatus } from "../../../api";
import type { PolicyObject } from "../objects";
import { changedStatus } from "../status";
import type { Elsewhere } from "./states";

/** Maximum length of a condition's message. */
const MAX_MESSAGE = 4096;

/**
 * Returns the status of a policy that another program executes.
 * @returns undefined if the object has it already
 */
export function elsewhereStatus(
  { metadata: { generation }, status }: PolicyObject,
  { holds, reason, message, copy }: Elsewhere,
  nowMs: number,
): PolicyStatus | undefined {
  const input = {
    reason,
    message: message.slice(0, MAX_MESSAGE),
    observedGeneration: generation,
    before: status.conditions ?? [],
    now: new Date(nowMs).toISOString(),
  };
  const phase = holds === "Ready" ? "completed" : holds === "Progressing" ? "open" : "failed";
  return changedStatus(status, {
    observedGeneration: generation,
    conditions: [...conditionsOf({ ...input, holds }), ...toolConditions(input, phase)],
    ...(copy && { platform: copy }),
  });
}
