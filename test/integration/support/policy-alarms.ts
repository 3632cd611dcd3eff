/** Series of the metrics of policies, and the alarms that they fire. */

/** Values of series, one a minute, in promtool's notation. */
export type Series = Readonly<Record<string, string>>;

export interface Expected {
  readonly alert: string;
  /** Labels besides those of the rule. */
  readonly labels: Readonly<Record<string, string>>;
  readonly summary: string;
}

const policies = (trigger: string, outcome: string) =>
  `cedana_policy_actions_total{pod="a",trigger="${trigger}",outcome="${outcome}"}`;
const invalid = (reason: string) => `cedana_policies_failed{pod="a",reason="${reason}"}`;
const verifications = (outcome: string) => `cedana_verifications_total{pod="a",outcome="${outcome}"}`;
const notifications = (outcome: string) =>
  `cedana_notifications_total{pod="a",destination="ops",outcome="${outcome}"}`;
const WAITING = 'cedana_policy_actions_waiting{pod="a"}';

/** Policies without problems. */
export const HEALTHY_POLICIES: Series = {
  [policies("heartbeat", "started")]: "0+9x120",
  [policies("heartbeat", "covered")]: "0+1x120",
  [policies("heartbeat", "missed")]: "0x120",
  [policies("manual", "backoff")]: "0x120",
  // A policy that is corrected within minutes.
  [invalid("InvalidFilter")]: "0x20 1x10 0x88",
  [verifications("Verified")]: "0+1x120",
  [verifications("Skipped")]: "0+1x120",
  [verifications("Failed")]: "0x120",
  [notifications("delivered")]: "0+1x120",
  [notifications("canceled")]: "0+1x120",
  [notifications("failed")]: "0x120",
  // The start of an hour with many pods.
  [WAITING]: "0x20 0+40x20 800-40x20 0x58",
};

/** Name, series, and alarms by the minute at which they are evaluated. */
export const POLICY_CASES: readonly [string, Series, Readonly<Record<number, readonly Expected[]>>][] = [
  [
    "a policy misses a deadline, a pod of another one is in backoff, and a run of a third one fails",
    {
      [policies("heartbeat", "missed")]: "0x30 1x89",
      [policies("manual", "backoff")]: "0x30 2x89",
      [policies("heartbeat", "failed")]: "0x30 1x89",
    },
    {
      30: [],
      32: [
        ["heartbeat", "failed"],
        ["heartbeat", "missed"],
        ["manual", "backoff"],
      ].map(([trigger = "", outcome = ""]) => ({
        alert: "CedanaPoliciesFail",
        labels: { trigger, outcome },
        summary: `Policies do not do what is due: ${outcome}`,
      })),
      47: [],
    },
  ],
  [
    "two policies do nothing for a quarter of an hour",
    {
      [invalid("InvalidFilter")]: "0x20 2x99",
      'cedana_policies_failed{pod="b",reason="InvalidFilter"}': "0x20 2x99",
      // Those have alarms of their own.
      [invalid("RunFailed")]: "0x20 1x99",
      [invalid("Drifted")]: "0x20 1x99",
    },
    {
      34: [],
      37: [
        {
          alert: "CedanaPoliciesInvalid",
          labels: { reason: "InvalidFilter" },
          summary: "2 policies do nothing: InvalidFilter",
        },
      ],
    },
  ],
  [
    "a verification fails",
    { [verifications("Failed")]: "0x30 1x89" },
    {
      30: [],
      32: [
        {
          alert: "CedanaVerificationsFail",
          labels: {},
          summary: "A Checkpoint could not be restored in a sandbox pod",
        },
      ],
      47: [],
    },
  ],
  [
    "a notification is not delivered",
    { [notifications("failed")]: "0x30 1x89" },
    {
      30: [],
      32: [
        {
          alert: "CedanaNotificationsFail",
          labels: { destination: "ops" },
          summary: "Notifications of policies do not reach the destination ops",
        },
      ],
      47: [],
    },
  ],
  [
    "pods that are due wait, and their number grows for half an hour",
    { [WAITING]: "0x20 10+10x99" },
    {
      34: [],
      64: [],
      66: [
        {
          alert: "CedanaPoliciesWait",
          labels: {},
          summary: "More and more pods are due and wait: 320 for all of the last 15 minutes",
        },
      ],
    },
  ],
];
