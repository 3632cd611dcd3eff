import { exactlyOne } from "./exactly-one";
import { memory } from "./policy-memory";
import { checkpointEnded } from "./policy-notify";
import { webhook } from "./policy-webhook";
import {
  DAY_SECONDS,
  integer,
  MONTH_SECONDS,
  object,
  oneOf,
  optional,
  pattern,
  text,
  type Infer,
  type ValidationRule,
} from "./schema";

/** Shortest interval, in seconds. A checkpoint of a large pod takes about as long. */
const MIN_INTERVAL_SECONDS = 60;

/** Returns a pattern of a cron field: a list of values, ranges and steps of all or of a range. */
function field(value: string, step: string): string {
  const entry = `([*](/${step})?|${value}(-${value}(/${step})?)?)`;
  return `${entry}(,${entry})*`;
}

const MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const DAYS = ["MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"];

/** Pattern of cron's five fields. Names are in upper or lower case. */
const CRON_PATTERN = `^${[
  field("[0-5]?[0-9]", "([1-9]|[1-5][0-9])"),
  field("([01]?[0-9]|2[0-3])", "([1-9]|1[0-9]|2[0-3])"),
  field("(0?[1-9]|[12][0-9]|3[01])", "([1-9]|[12][0-9]|3[01])"),
  field(`(0?[1-9]|1[0-2]|${MONTHS.join("|")})`, "([1-9]|1[0-2])"),
  field(`([0-7]|${DAYS.join("|")})`, "[1-7]"),
].join(" +")}$`;

/** Pattern of a range of names whose end is before its start. A week may start or end with SUN. */
const REVERSED_NAMES = [MONTHS, DAYS.slice(0, -1)]
  .flatMap((names) => names.slice(1).map((name, index) => `${name}-(${names.slice(0, index + 1).join("|")})`))
  .join("|");

/** Pattern of schedules for days that no month has: the 30th or 31st of February, or the 31st of months with 30 days. */
const NEVER = (() => {
  const list = (entry: string) => `(${entry})(,(${entry}))*`;
  const schedule = (days: string, months: string) => `[^ ]+ +[^ ]+ +${list(days)} +${list(months)} +[*]`;
  return `^(${schedule("30|31", "0?2|FEB")}|${schedule("31", "0?[2469]|11|FEB|APR|JUN|SEP|NOV")})$`;
})();

const TIME_ZONE = pattern(
  "^[A-Z][A-Za-z0-9_+-]*(/[A-Z][A-Za-z0-9_+-]*)*$",
  "a name of the IANA database in its upper and lower case, such as Europe/Berlin or UTC",
);

const heartbeat = object(
  "Periodically, by an interval or by cron.",
  {
    intervalSeconds: optional(
      integer(
        "Seconds between two checkpoints of a pod. Intervals are aligned to the clock (UTC).",
        MIN_INTERVAL_SECONDS,
        MONTH_SECONDS,
      ),
    ),
    cron: optional(
      text(
        "Schedule in cron's five fields: minute, hour, day of the month, month, day of the week. Where a change to daylight saving time skips the time, it is due at the end of the gap.",
        128,
      ),
    ),
    timeZone: optional(
      text("Time zone of cron, as in the IANA database, such as Europe/Berlin. Default: UTC.", 64, {
        pattern: TIME_ZONE,
      }),
    ),
    jitterSeconds: optional(
      integer(
        "Time over which the pods are spread. Each pod has a fixed delay in it. Default: the interval; with cron 60.",
        0,
        MONTH_SECONDS,
      ),
    ),
  },
  [
    {
      rule: "has(self.intervalSeconds) != has(self.cron)",
      message: "set either intervalSeconds or cron",
    },
    {
      rule: "!has(self.cron) || self.cron.matches(r'(?i)" + CRON_PATTERN + "')",
      message:
        "cron must have five fields: minute (0-59), hour (0-23), day of the month (1-31), month (1-12) and day of the week (0-7); a step needs * or a range, such as */5 or 0-30/5",
    },
    {
      rule:
        "!has(self.cron) || (self.cron.findAll('[0-9]+-[0-9]+').all(range, int(range.split('-')[0]) <= int(range.split('-')[1])) && !self.cron.matches(r'(?i)" +
        REVERSED_NAMES +
        "'))",
      message: "cron has a range whose end is before its start; list both parts, such as FRI-SUN,MON",
    },
    {
      rule: "!has(self.cron) || !self.cron.matches(r'(?i)" + NEVER + "')",
      message: "cron never occurs: no month has these days",
    },
    { rule: "!has(self.timeZone) || has(self.cron)", message: "timeZone has no effect without cron" },
    {
      // An unknown time zone ends the evaluation with an error, and the API server rejects the object.
      // Local and Factory are not places: Local is the time zone of the API server's machine.
      rule: "!has(self.timeZone) || (!(self.timeZone in ['Local', 'Factory']) && timestamp('2026-01-01T00:00:00Z').getHours(self.timeZone) >= 0)",
      message: "timeZone must exist in the IANA database",
    },
    {
      rule: "!has(self.jitterSeconds) || !has(self.intervalSeconds) || self.jitterSeconds <= self.intervalSeconds",
      message: "jitterSeconds must not exceed intervalSeconds",
    },
  ] satisfies ValidationRule[],
);

const manual = object(
  "On request: at the time in the annotation cedana.ai/checkpoint-requested-at of a pod, or of the Deployment, ReplicaSet, StatefulSet, DaemonSet or Job that owns it.",
  {},
);

/** For what `startup` is due once. */
export const STARTUP_ONCE = ["Revision", "Pod"] as const;

const startup = object(
  "Once, when a pod has been Ready for a time: an image of a program that has started.",
  {
    readySeconds: optional(integer("Seconds for which the pod must be Ready.", 0, DAY_SECONDS, 0)),
    oncePer: optional(
      oneOf(
        "For what it is due once. Revision: for all pods that have the owner and the pod template in common, the first one that is due. Pod: for each pod. Default: Revision.",
        STARTUP_ONCE,
      ),
    ),
  },
);

/** Triggers by name. */
export const TRIGGER_FIELDS = { heartbeat, manual, startup, memory, webhook, checkpointEnded } as const;

export const trigger = exactlyOne(
  "trigger",
  "When the action is due for a pod. Exactly one of the fields.",
  TRIGGER_FIELDS,
);

export type HeartbeatTrigger = Infer<typeof heartbeat>;
export type StartupTrigger = Infer<typeof startup>;

/** Annotation of a pod or its workload by which the trigger `manual` is due: a time in the format of RFC 3339. */
export const REQUESTED_AT = "cedana.ai/checkpoint-requested-at";
