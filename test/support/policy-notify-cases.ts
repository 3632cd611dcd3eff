/** Specs of a CheckpointPolicy with the action `notify` or the trigger `checkpointEnded`, as in policy-cases.ts. */
export const ACCEPTED_NOTIFICATIONS: readonly (readonly [name: string, spec: object])[] = [
  ["a notification", { trigger: { memory: { percent: 80 } }, action: { notify: { destination: "ops" } } }],
  ["a notification without a destination on request", { trigger: { manual: {} }, action: { notify: {} } }],
  [
    "periodic notifications",
    { action: { notify: {} }, filter: { restarts: { min: 5 } }, deadlineSeconds: 900 },
  ],
  [
    "daily notifications",
    { trigger: { heartbeat: { cron: "0 3 * * *" } }, action: { notify: {} }, deadlineSeconds: 86_400 },
  ],
  ["the end of Checkpoints", { trigger: { checkpointEnded: {} }, action: { notify: {} } }],
  [
    "the end of Checkpoints of policies",
    {
      trigger: { checkpointEnded: { outcomes: ["Failed", "Completed"], policies: ["nightly"] } },
      action: { notify: { destination: "ops" } },
    },
  ],
];

/** With a part of the API server's message. */
export const REJECTED_NOTIFICATIONS: readonly (readonly [name: string, spec: object, text: string])[] = [
  ...["checkpoint", "checkpointThenDelete", "suspend", "resume", "verify"].map(
    (name): [string, object, string] => [
      `the end of Checkpoints for ${name}`,
      { trigger: { checkpointEnded: {} }, action: { [name]: {} } },
      "the trigger checkpointEnded is only for the action notify",
    ],
  ),
  [
    "an unknown outcome",
    { trigger: { checkpointEnded: { outcomes: ["Lost"] } }, action: { notify: {} } },
    'Unsupported value: "Lost"',
  ],
  [
    "no outcomes",
    { trigger: { checkpointEnded: { outcomes: [] } }, action: { notify: {} } },
    "should have at least 1 items",
  ],
  [
    "notifications of requests",
    { trigger: { webhook: { secret: { name: "hooks" } } }, action: { notify: {} } },
    "the trigger webhook is not for notify",
  ],
  [
    "periodic notifications that several leaders would send",
    { trigger: { heartbeat: { intervalSeconds: 300 } }, action: { notify: {} } },
    "with notify, deadlineSeconds must not exceed intervalSeconds",
  ],
  [
    "a destination with a path",
    { trigger: { manual: {} }, action: { notify: { destination: "ops/x" } } },
    "spec.action.notify.destination in body should match",
  ],
];
