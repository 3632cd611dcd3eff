import { ACCEPTED_NOTIFICATIONS, REJECTED_NOTIFICATIONS } from "./policy-notify-cases";
import { MIRROR_REJECTED } from "./policy-platform-cases";

export { MIRRORED } from "./policy-platform-cases";

/** Specs of a CheckpointPolicy that are valid or not. They are added to `{ trigger: interval, action: { checkpoint: {} } }`. */
export const interval = { heartbeat: { intervalSeconds: 900 } };
const cron = (text: string, more: object = {}) => ({ trigger: { heartbeat: { cron: text, ...more } } });
const deletes = (deleteCheckpoints: object) => ({ action: { deleteCheckpoints } });
const verifies = (verify: object) => ({ action: { verify } });
const pods = (selector: object) => ({ filter: { pods: selector } });
const requirement = (operator: string, ...values: string[]) => ({
  key: "app",
  operator,
  ...(values.length > 0 && { values }),
});

export const ACCEPTED: readonly (readonly [name: string, spec: object])[] = [
  ["an interval", {}],
  ["an interval of the controller", { executor: "Controller" }],
  ["an interval with jitter", { trigger: { heartbeat: { intervalSeconds: 60, jitterSeconds: 60 } } }],
  ["cron", cron("0 3 * * *")],
  ["cron with a time zone", cron("0 3 * * *", { timeZone: "Europe/Berlin" })],
  ["cron with lists, ranges, steps and names", cron("*/15,7 0-6/2 1,15 JAN-mar MON-FRI")],
  ["cron in UTC", cron("59 23 31 12 7", { timeZone: "UTC" })],
  ...[
    "0 0 31 1-12 *",
    "0 0 29 2 *",
    "0 0 31 2 MON",
    "0 0 30,31 2,3 *",
    "0-59/5,7 22,23 1-31/2 jan-DEC SAT-SUN",
    "0 0 * * SUN-FRI,SUN",
  ].map((text): [string, object] => [`the cron ${text}`, cron(text)]),
  ...["Etc/GMT+12", "America/Argentina/Buenos_Aires", "EST5EDT", "US/Pacific"].map(
    (timeZone): [string, object] => [`the time zone ${timeZone}`, cron("0 3 * * *", { timeZone })],
  ),
  [
    "several requirements of a label",
    pods({
      matchLabels: { app: "a" },
      matchExpressions: [
        requirement("In", "a", "b"),
        requirement("In", "c", "a"),
        requirement("NotIn", "b"),
        requirement("Exists"),
        { key: "other", operator: "DoesNotExist" },
      ],
    }),
  ],
  [
    "requirements of labels that a pod may not have",
    pods({ matchExpressions: [requirement("NotIn", "a"), requirement("DoesNotExist")] }),
  ],
  [
    "the start of pods that have run as long as they are Ready",
    { trigger: { startup: { readySeconds: 30 } }, filter: { minRunningSeconds: 30 } },
  ],
  ["requests", { trigger: { manual: {} } }],
  ["signed requests", { trigger: { webhook: { secret: { name: "hooks", key: "a.b" } } } }],
  ["evictions", { action: { checkpointThenDelete: { engine: "criu" } } }],
  ["suspensions", { action: { suspend: {} }, filter: { owners: [{ kind: "Deployment" }, { kind: "Job" }] } }],
  ["resumption", { action: { resume: {} }, filter: { pods: { matchLabels: { app: "web" } } } }],
  ["the deletion of Checkpoints by age", deletes({ olderThanSeconds: 60 })],
  ["the deletion of Checkpoints by number", deletes({ keepLast: 1 })],
  [
    "the deletion of Checkpoints by all limits",
    {
      ...deletes({
        olderThanSeconds: 604_800,
        keepLast: 3,
        maxTotalBytes: 10 ** 12,
        policies: ["nightly"],
        createdByUsers: true,
        dryRun: true,
      }),
      filter: { owners: [{ kind: "StatefulSet", names: ["web"] }] },
    },
  ],
  ["a verification", verifies({})],
  [
    "a verification with a probe",
    verifies({
      runSeconds: 599,
      timeoutSeconds: 600,
      probe: { command: ["/bin/true"], container: "main", periodSeconds: 1, timeoutSeconds: 300 },
    }),
  ],
  ...ACCEPTED_NOTIFICATIONS,
  ["memory in percent", { trigger: { memory: { percent: 80, forSeconds: 30, rearmPercent: 60 } } }],
  ["memory and evictions", { trigger: { memory: { percent: 80 } }, action: { checkpointThenDelete: {} } }],
  ["memory in bytes", { trigger: { memory: { bytes: "2Gi", rearmBytes: "1999M" } } }],
  ["the start of pods", { trigger: { startup: {} } }],
  ["the start of each pod", { trigger: { startup: { readySeconds: 86_400, oncePer: "Pod" } } }],
  [
    "all filters",
    {
      filter: {
        pods: {
          matchLabels: { app: "web", "example.com/tier": "" },
          matchExpressions: [
            { key: "app", operator: "In", values: ["web", "db"] },
            { key: "canary", operator: "DoesNotExist" },
          ],
        },
        owners: [{ kind: "Deployment", names: ["web"] }, { kind: "None" }],
        containers: ["main"],
        minRunningSeconds: 600,
        restarts: { min: 0, max: 3 },
        phases: ["Running"],
      },
      action: { checkpoint: { engine: "criu", leaveRunning: false } },
      minSpacingSeconds: 900,
      deadlineSeconds: 60,
      maxInFlight: 1000,
      suspend: true,
    },
  ],
];

/** With a part of the API server's message. */
export const REJECTED: readonly (readonly [name: string, spec: object, text: string])[] = [
  ["an unknown executor", { executor: "Kubelet" }, 'Unsupported value: "Kubelet"'],
  ...MIRROR_REJECTED,
  ["no trigger", { trigger: {} }, "set exactly one trigger: "],
  ["two triggers", { trigger: { ...interval, manual: {} } }, "set exactly one trigger: "],
  ["three triggers", { trigger: { ...interval, manual: {}, startup: {} } }, "set exactly one trigger: "],
  [
    "the start of an unknown subject",
    { trigger: { startup: { oncePer: "Node" } } },
    'Unsupported value: "Node"',
  ],
  [
    "a negative time of readiness",
    { trigger: { startup: { readySeconds: -1 } } },
    "should be greater than or equal to 0",
  ],
  [
    "the start of pods that are not Ready",
    { trigger: { startup: {} }, filter: { phases: ["Pending"] } },
    "never due: a pod in the phase Pending is not Ready",
  ],
  ...["checkpointThenDelete", "suspend", "resume", "verify", "notify"].map(
    (name): [string, object, string] => [
      `the start of pods for ${name}`,
      { trigger: { startup: {} }, action: { [name]: {} } },
      "the trigger startup is only for the action checkpoint",
    ],
  ),
  ...["suspend", "resume"].map((name): [string, object, string] => [
    `the memory of a pod for ${name}`,
    { trigger: { memory: { percent: 80 } }, action: { [name]: {} } },
    "the trigger memory is not for suspend and resume",
  ]),
  ...REJECTED_NOTIFICATIONS,
  ["no threshold of memory", { trigger: { memory: {} } }, "set either percent or bytes"],
  [
    "two thresholds of memory",
    { trigger: { memory: { percent: 80, bytes: "1Gi" } } },
    "set either percent or bytes",
  ],
  [
    "a threshold above the limit",
    { trigger: { memory: { percent: 101 } } },
    "should be less than or equal to 100",
  ],
  [
    "a lower threshold that is not lower",
    { trigger: { memory: { percent: 80, rearmPercent: 80 } } },
    "rearmPercent must be less than percent",
  ],
  [
    "a lower threshold of bytes that is higher",
    { trigger: { memory: { bytes: "1500M", rearmBytes: "2Gi" } } },
    "rearmBytes must be less than bytes",
  ],
  [
    "a lower threshold of the other kind",
    { trigger: { memory: { bytes: "1Gi", rearmPercent: 10 } } },
    "rearmPercent must be less than percent",
  ],
  ["bytes that are no quantity", { trigger: { memory: { bytes: "2 GB" } } }, "bytes in body should match"],
  [
    "the memory of pods that do not run",
    { trigger: { memory: { percent: 80 } }, filter: { phases: ["Pending"] } },
    "never due: a pod in the phase Pending is not Ready and has no readings",
  ],
  ["an empty heartbeat", { trigger: { heartbeat: {} } }, "set either intervalSeconds or cron"],
  ["interval and cron", cron("0 3 * * *", { intervalSeconds: 900 }), "set either intervalSeconds or cron"],
  [
    "an interval of zero",
    { trigger: { heartbeat: { intervalSeconds: 0 } } },
    "should be greater than or equal to 60",
  ],
  [
    "a jitter that exceeds the interval",
    { trigger: { heartbeat: { intervalSeconds: 60, jitterSeconds: 61 } } },
    "jitterSeconds must not exceed intervalSeconds",
  ],
  [
    "a time zone without cron",
    { trigger: { heartbeat: { intervalSeconds: 60, timeZone: "UTC" } } },
    "timeZone has no effect without cron",
  ],
  [
    "a time zone that does not exist",
    cron("0 3 * * *", { timeZone: "Mars/Olympus" }),
    "timeZone must exist in the IANA database",
  ],
  ["an offset as a time zone", cron("0 3 * * *", { timeZone: "+01:00" }), "timeZone in body should match"],
  ...[
    "61 * * * *",
    "* 24 * * *",
    "* * 0 * *",
    "* * * 13 *",
    "* * * * 8",
    "* * * *",
    "0 * * * * *",
    "@daily",
    "0 3 * * MOON",
    "*/0 * * * *",
    "0 3 L * *",
    "5/15 * * * *",
    "*/60 * * * *",
    "* */24 * * *",
    "* * * */13 *",
  ].map((text): [string, object, string] => [
    `the cron ${text}`,
    cron(text),
    "cron must have five fields: minute (0-59)",
  ]),
  ...["0 3 5-2 * *", "59-0 * * * *", "0 3 * NOV-jan *", "0 3 * * 1,FRI-MON", "0 20-8/2 * * *"].map(
    (text): [string, object, string] => [
      `the cron ${text}`,
      cron(text),
      "cron has a range whose end is before its start",
    ],
  ),
  ...["0 0 31 2 *", "0 0 30,31 feb *", "*/5 3 31 4,06,SEP *"].map((text): [string, object, string] => [
    `the cron ${text}`,
    cron(text),
    "cron never occurs",
  ]),
  ...["europe/berlin", "utc", "localtime"].map((timeZone): [string, object, string] => [
    `the time zone ${timeZone}`,
    cron("0 3 * * *", { timeZone }),
    "timeZone in body should match",
  ]),
  ...["Local", "Factory"].map((timeZone): [string, object, string] => [
    `the time zone ${timeZone}`,
    cron("0 3 * * *", { timeZone }),
    "timeZone must exist in the IANA database",
  ]),
  ["no action", { action: {} }, "set exactly one action: checkpoint"],
  [
    "two actions",
    { action: { checkpoint: {}, deleteCheckpoints: { keepLast: 1 } } },
    "set exactly one action: checkpoint",
  ],
  [
    "a checkpoint and its verification",
    { action: { checkpoint: {}, verify: {} } },
    "set exactly one action: checkpoint",
  ],
  [
    "a verification that ends before it has run",
    verifies({ runSeconds: 600 }),
    "runSeconds must be less than timeoutSeconds",
  ],
  ["a probe without a command", verifies({ probe: { command: [] } }), "should have at least 1 items"],
  ["no limit", deletes({}), "set a limit: olderThanSeconds, keepLast or maxTotalBytes"],
  ["only a dry run", deletes({ dryRun: true }), "set a limit: olderThanSeconds, keepLast or maxTotalBytes"],
  ["keepLast 0", deletes({ keepLast: 0 }), "should be greater than or equal to 1"],
  ["a total size of zero", deletes({ maxTotalBytes: 0 }), "should be greater than or equal to 1"],
  ["an age of zero", deletes({ olderThanSeconds: 0 }), "should be greater than or equal to 60"],
  ["a negative age", deletes({ olderThanSeconds: -1 }), "should be greater than or equal to 60"],
  ["no policies", deletes({ keepLast: 1, policies: [] }), "should have at least 1 items"],
  ["a policy twice", deletes({ keepLast: 1, policies: ["a", "a"] }), "Duplicate value"],
  [
    "the deletion of Checkpoints on request",
    { ...deletes({ keepLast: 1 }), trigger: { manual: {} } },
    "deleteCheckpoints needs the trigger heartbeat",
  ],
  ...Object.entries({
    pods: { matchLabels: { app: "web" } },
    containers: ["main"],
    minRunningSeconds: 60,
    restarts: { max: 1 },
    phases: ["Running"],
    expression: "true",
  }).map(([name, given]): [string, object, string] => [
    `the deletion of Checkpoints by filter.${name}`,
    { ...deletes({ keepLast: 1 }), filter: { [name]: given } },
    `filter.${name} selects no Checkpoints: they do not record it of their pods`,
  ]),
  ["a webhook without a Secret", { trigger: { webhook: {} } }, "spec.trigger.webhook.secret: Required value"],
  [
    "a webhook with a short interval",
    { trigger: { webhook: { secret: { name: "hooks" }, minIntervalSeconds: 9 } } },
    "should be greater than or equal to 10",
  ],
  [
    "a Secret whose name is a path",
    { trigger: { webhook: { secret: { name: "../hooks" } } } },
    "spec.trigger.webhook.secret.name in body should match",
  ],
  [
    "the suspension of a DaemonSet",
    { action: { suspend: {} }, filter: { owners: [{ kind: "Job" }, { kind: "DaemonSet" }] } },
    "suspend supports only the owners Deployment, StatefulSet, ReplicaSet and Job",
  ],
  [
    "a running time of suspended workloads",
    { action: { resume: {} }, filter: { minRunningSeconds: 60 } },
    "filter.minRunningSeconds has no effect with resume",
  ],
  ["an unknown engine", { action: { checkpoint: { engine: "podman" } } }, 'Unsupported value: "podman"'],
  [
    "a spacing that exceeds the interval",
    { minSpacingSeconds: 901 },
    "minSpacingSeconds must not exceed intervalSeconds, or checkpoints would be skipped",
  ],
  [
    "the start of pods that have not run for long enough",
    { trigger: { startup: { readySeconds: 30 } }, filter: { minRunningSeconds: 31 } },
    "filter.minRunningSeconds must not exceed trigger.startup.readySeconds",
  ],
  [
    "the start of pods that must have run",
    { trigger: { startup: {} }, filter: { minRunningSeconds: 1 } },
    "filter.minRunningSeconds must not exceed trigger.startup.readySeconds",
  ],
  ["a limit of zero", { maxInFlight: 0 }, "should be greater than or equal to 1"],
  [
    "a running time of pending pods",
    { filter: { minRunningSeconds: 60, phases: ["Pending"] } },
    "filter.minRunningSeconds selects no pod in the phase Pending",
  ],
  ["a phase of ended pods", { filter: { phases: ["Succeeded"] } }, 'Unsupported value: "Succeeded"'],
  [
    "restarts that select nothing",
    { filter: { restarts: { min: 2, max: 1 } } },
    "selects nothing: restarts.min exceeds restarts.max",
  ],
  [
    "names of no owner",
    { filter: { owners: [{ kind: "None", names: ["a"] }] } },
    "names have no effect with the kind None",
  ],
  ["an unknown owner", { filter: { owners: [{ kind: "Pod" }] } }, 'Unsupported value: "Pod"'],
  [
    "a requirement without values",
    pods({ matchExpressions: [{ key: "app", operator: "In" }] }),
    "values are required with the operators In and NotIn",
  ],
  [
    "values of a requirement that has none",
    pods({ matchExpressions: [{ key: "app", operator: "Exists", values: ["a"] }] }),
    "not allowed with Exists and DoesNotExist",
  ],
  [
    "a label that no pod can have",
    pods({ matchLabels: { "-app": "a" } }),
    "matchLabels has a key that no label can have",
  ],
  [
    "a selector that contradicts itself",
    pods({
      matchLabels: { app: "a" },
      matchExpressions: [{ key: "app", operator: "NotIn", values: ["a"] }],
    }),
    "selects nothing: matchExpressions contradict matchLabels",
  ],
  [
    "a label with a value that no pod can have",
    pods({ matchLabels: { app: "hello world" } }),
    "matchLabels has a value that no label can have",
  ],
  ...[
    [requirement("Exists"), requirement("DoesNotExist")],
    [requirement("DoesNotExist"), requirement("In", "a")],
    [requirement("In", "a", "b"), requirement("In", "c")],
    [requirement("NotIn", "b", "a", "c"), requirement("In", "a", "b")],
  ].map((matchExpressions): [string, object, string] => [
    `the requirements ${matchExpressions.map(({ operator }) => operator).join(" and ")} that no label meets`,
    pods({ matchExpressions }),
    "selects nothing: matchExpressions contradict each other",
  ]),
];
