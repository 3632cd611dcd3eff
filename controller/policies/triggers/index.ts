/** Triggers by their field in `spec.trigger` of a policy. */
import type { Trigger } from "../core/types";
import { checkpointEnded } from "./checkpoint-ended";
import { heartbeat } from "./heartbeat";
import { manual } from "./manual";
import { memory } from "./memory";
import { startup } from "./startup";
import { webhook } from "./webhook";

export const TRIGGERS: Readonly<Record<string, Trigger>> = {
  heartbeat,
  manual,
  startup,
  memory,
  webhook,
  checkpointEnded,
};
