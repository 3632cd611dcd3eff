/** What executes a policy: the controller, or Cedana's platform by a copy of it. */
import { count, object, oneOf, text, optional, type Infer, type ValidationRule } from "./schema";

export const EXECUTORS = ["Controller", "Platform"] as const;

export const executor = oneOf(
  "What executes the policy. Controller: this toolkit's controller. Platform: Cedana's platform, by a copy that the controller creates there; needs install.policies.platform and the engine cedana. Default: Controller.",
  EXECUTORS,
);

const PLATFORM_RULES: readonly (readonly [holds: string, message: string])[] = [
  [
    "has(self.trigger.heartbeat) && has(self.trigger.heartbeat.intervalSeconds)",
    "trigger cannot be mirrored: Cedana's platform supports only heartbeat.intervalSeconds, not cron or other triggers",
  ],
  [
    "!has(self.trigger.heartbeat) || !has(self.trigger.heartbeat.intervalSeconds) || self.trigger.heartbeat.intervalSeconds % 60 == 0",
    "trigger.heartbeat.intervalSeconds cannot be mirrored: it must be a multiple of 60",
  ],
  [
    "!has(self.trigger.heartbeat) || !has(self.trigger.heartbeat.jitterSeconds)",
    "trigger.heartbeat.jitterSeconds cannot be mirrored: remove it",
  ],
  ["!has(self.filter)", "filter cannot be mirrored: the copy selects all pods of the namespace; remove it"],
  ["has(self.action.checkpoint)", "action cannot be mirrored: Cedana's platform supports only checkpoint"],
  [
    "!has(self.action.checkpoint) || ((!has(self.action.checkpoint.engine) || self.action.checkpoint.engine == 'cedana') && (!has(self.action.checkpoint.leaveRunning) || self.action.checkpoint.leaveRunning) && (!has(self.action.checkpoint.deletionPolicy) || self.action.checkpoint.deletionPolicy == 'Retain'))",
    "action.checkpoint cannot be mirrored: allowed are engine cedana, leaveRunning true and deletionPolicy Retain, the defaults",
  ],
  [
    "self.minSpacingSeconds == 60 && self.deadlineSeconds == 600 && self.maxInFlight == 10",
    "minSpacingSeconds, deadlineSeconds and maxInFlight cannot be mirrored: remove them",
  ],
];

/** Rejects what a copy in the platform cannot express. */
export const executorRules: readonly ValidationRule[] = PLATFORM_RULES.map(([holds, message]) => ({
  rule: `!has(self.executor) || self.executor != 'Platform' || (${holds})`,
  message: `with executor Platform, ${message}`,
}));

export const platformCopy = object(
  "The copy in Cedana's platform. While there is one, the controller does not execute the policy.",
  {
    id: text("Id of the copy in the platform.", 253),
    state: optional(text("Status of the copy, as the platform reports it.", 63)),
    pods: optional(count("Number of pods of the copy, as the platform reports it.")),
  },
);

export type PlatformCopy = Infer<typeof platformCopy>;
