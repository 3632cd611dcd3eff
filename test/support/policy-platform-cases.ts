/** Specs of a CheckpointPolicy that name Cedana's platform, as in `policy-cases`. */
const mirrored = (more: object = {}) => ({ executor: "Platform", ...more });

/** Valid in an install that mirrors policies. */
export const MIRRORED: readonly (readonly [name: string, spec: object])[] = [
  ["a policy for the platform", mirrored()],
  [
    "a suspended policy for the platform, with all that it supports",
    mirrored({
      suspend: true,
      action: { checkpoint: { engine: "cedana", leaveRunning: true, deletionPolicy: "Retain" } },
      minSpacingSeconds: 60,
      deadlineSeconds: 600,
      maxInFlight: 10,
    }),
  ],
];

/** With a part of the API server's message. */
export const MIRROR_REJECTED: readonly (readonly [name: string, spec: object, text: string])[] = [
  [
    "cron in the platform",
    mirrored({ trigger: { heartbeat: { cron: "0 3 * * *", timeZone: "Europe/Berlin" } } }),
    "with executor Platform, trigger cannot be mirrored: Cedana's platform supports only heartbeat.intervalSeconds",
  ],
  [
    "memory in the platform",
    mirrored({ trigger: { memory: { percent: 80 } } }),
    "with executor Platform, trigger cannot be mirrored: ",
  ],
  [
    "half a minute in the platform",
    mirrored({ trigger: { heartbeat: { intervalSeconds: 90 } } }),
    "intervalSeconds cannot be mirrored: it must be a multiple of 60",
  ],
  [
    "jitter in the platform",
    mirrored({ trigger: { heartbeat: { intervalSeconds: 900, jitterSeconds: 0 } } }),
    "jitterSeconds cannot be mirrored: remove it",
  ],
  [
    "a filter in the platform",
    mirrored({ filter: { expression: "true" } }),
    "filter cannot be mirrored: the copy selects all pods of the namespace",
  ],
  [
    "an eviction in the platform",
    mirrored({ action: { checkpointThenDelete: {} } }),
    "action cannot be mirrored: Cedana's platform supports only checkpoint",
  ],
  ...[{ engine: "criu" }, { leaveRunning: false }, { deletionPolicy: "Delete" }].map(
    (checkpoint): [string, object, string] => [
      `${Object.keys(checkpoint)[0]} in the platform`,
      mirrored({ action: { checkpoint } }),
      "action.checkpoint cannot be mirrored: allowed are engine cedana",
    ],
  ),
  ...[{ minSpacingSeconds: 30 }, { deadlineSeconds: 60 }, { maxInFlight: 5 }].map(
    (limit): [string, object, string] => [
      `${Object.keys(limit)[0]} in the platform`,
      mirrored(limit),
      "minSpacingSeconds, deadlineSeconds and maxInFlight cannot be mirrored: remove them",
    ],
  ),
];
