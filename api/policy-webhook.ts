import { integer, list, object, optional, pattern, text, time, type Infer } from "./schema";

/** Shortest time between two firings, seconds. With it, `firings` of the status has all ids that a copy could repeat. */
export const MIN_FIRING_SECONDS = 10;

/**
 * How far `webhook-timestamp` may be behind and ahead of the receiver's clock, seconds: 5 minutes as in the Standard Webhooks
 * specification, and less ahead, because only clocks differ there.
 */
export const FIRING_WINDOW = { behindSeconds: 300, aheadSeconds: 60 } as const;

/** Firings in the status. More than can be accepted while the timestamp of a copy is valid. */
export const MAX_FIRINGS = 40;

/** Pattern of `webhook-id`. */
export const FIRING_ID = "[A-Za-z0-9][A-Za-z0-9._-]{0,63}";

/** Form of a key in a Secret. */
const SECRET_KEY = pattern("^[A-Za-z0-9._-]+$", "letters, digits, ., _ and -");

export const secretReference = object(
  "Secret in the namespace of the policy, for a ClusterCheckpointPolicy in that of the controller. The install must list its name.",
  {
    name: text("Name of the Secret.", 253, {
      pattern: "^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$",
    }),
    key: optional(text("Key in the Secret. Default: the name of the policy.", 253, { pattern: SECRET_KEY })),
  },
);

export const webhook = object(
  "On request: by an HTTP POST with a signature, as in the Standard Webhooks specification. All pods that match are due.",
  {
    secret: secretReference,
    minIntervalSeconds: optional(
      integer("Minimum time between two accepted requests.", MIN_FIRING_SECONDS, 86_400, MIN_FIRING_SECONDS),
    ),
  },
);

const firing = object(undefined, {
  id: text("The header webhook-id.", 64, { pattern: `^${FIRING_ID}$` }),
  time: time("When the request was accepted: the pods are due at this time."),
});

export const firings = list(
  `The last ${MAX_FIRINGS} requests of the trigger webhook, newest first. Each replica that accepts one writes it here, so that it is accepted once.`,
  firing,
  { maxItems: MAX_FIRINGS, merge: "atomic" },
);

export type WebhookTrigger = Infer<typeof webhook>;
export type SecretReference = Infer<typeof secretReference>;
export type Firing = Infer<typeof firing>;
