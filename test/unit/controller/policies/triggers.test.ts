import { Cron } from "croner";
import { constant, constantFrom, integer, property } from "fast-check";
import { heartbeat } from "../../../../controller/policies/triggers/heartbeat";
import { assertProperty } from "../../../support/property";
import { podOf } from "./support";

/** Returns the first ticks after a time, as they would be without jitter. */
function ticks(settings: Parameters<typeof heartbeat.next>[0], after: string, count: number): string[] {
  const context = { policyUID: "p", pod: podOf("a") };
  let time = Date.parse(after);
  return Array.from({ length: count }, () => {
    time = heartbeat.next({ jitterSeconds: 0, ...settings }, context, time) ?? Number.NaN;
    return new Date(time).toISOString();
  });
}

test("an interval is aligned to the clock", () => {
  expect(ticks({ intervalSeconds: 900 }, "2026-03-27T12:07:00Z", 3)).toEqual([
    "2026-03-27T12:15:00.000Z",
    "2026-03-27T12:30:00.000Z",
    "2026-03-27T12:45:00.000Z",
  ]);
});

test("cron without a time zone is in UTC", () => {
  expect(ticks({ cron: "0 3 * * 1-5" }, "2026-03-27T12:00:00Z", 2)).toEqual([
    "2026-03-30T03:00:00.000Z",
    "2026-03-31T03:00:00.000Z",
  ]);
});

test("a time that daylight saving time skips is due at the end of the gap", () => {
  const settings = { cron: "30 2 * * *", timeZone: "Europe/Berlin" };
  expect(ticks(settings, "2026-03-27T12:00:00Z", 3)).toEqual([
    "2026-03-28T01:30:00.000Z",
    // 03:00, because 02:00 to 03:00 does not exist.
    "2026-03-29T01:00:00.000Z",
    "2026-03-30T00:30:00.000Z",
  ]);
});

test("a time that occurs twice at the end of daylight saving time is due once", () => {
  const settings = { cron: "30 2 * * *", timeZone: "Europe/Berlin" };
  expect(ticks(settings, "2026-10-24T12:00:00Z", 2)).toEqual([
    "2026-10-25T00:30:00.000Z",
    "2026-10-26T01:30:00.000Z",
  ]);
});

test.each(["*", "*/1"])("a schedule with the hour %s is due in each hour that passes", (hour) => {
  const settings = { cron: `*/30 ${hour} * * *`, timeZone: "Europe/Berlin" };
  expect(ticks(settings, "2026-10-24T23:40:00Z", 5)).toEqual([
    "2026-10-25T00:00:00.000Z",
    "2026-10-25T00:30:00.000Z",
    "2026-10-25T01:00:00.000Z",
    "2026-10-25T01:30:00.000Z",
    "2026-10-25T02:00:00.000Z",
  ]);
});

// What croner itself leaves out: it makes up a skipped time only if the pattern has one minute and one hour.
test.each<[cron: string, ticks: readonly string[]]>([
  ["15,45 2 * * *", ["2026-03-29T01:00:00.000Z", "2026-03-30T00:15:00.000Z"]],
  ["*/20 2 * * *", ["2026-03-29T01:00:00.000Z", "2026-03-30T00:00:00.000Z"]],
  ["30 2,14 * * *", ["2026-03-29T01:00:00.000Z", "2026-03-29T12:30:00.000Z"]],
  ["30 1-3 * * *", ["2026-03-29T00:30:00.000Z", "2026-03-29T01:00:00.000Z", "2026-03-29T01:30:00.000Z"]],
  ["30 */2 * * *", ["2026-03-29T01:00:00.000Z", "2026-03-29T02:30:00.000Z"]],
  ["0 2-3 * * *", ["2026-03-29T01:00:00.000Z", "2026-03-30T00:00:00.000Z"]],
])("times of %s that daylight saving time skips are due once, at the end of the gap", (cron, expected) => {
  const settings = { cron, timeZone: "Europe/Berlin" };
  expect(ticks(settings, "2026-03-29T00:10:00Z", expected.length)).toEqual(expected);
});

test.each<[cron: string, ticks: readonly string[]]>([
  ["15,45 2 * * *", ["2026-10-25T00:15:00.000Z", "2026-10-25T00:45:00.000Z", "2026-10-26T01:15:00.000Z"]],
  ["30 2,14 * * *", ["2026-10-25T00:30:00.000Z", "2026-10-25T13:30:00.000Z"]],
  ["0 2-3 * * *", ["2026-10-25T00:00:00.000Z", "2026-10-25T02:00:00.000Z"]],
])("times of %s that occur twice are due once", (cron, expected) => {
  const settings = { cron, timeZone: "Europe/Berlin" };
  expect(ticks(settings, "2026-10-24T23:59:00Z", expected.length)).toEqual(expected);
  expect(ticks(settings, "2026-10-25T01:05:00Z", 1)).toEqual(expected.slice(-1));
});

test("times within a gap of half an hour, or of a day, are due at its end", () => {
  const island = { cron: "10,20 2 * * *", timeZone: "Australia/Lord_Howe" };
  expect(ticks(island, "2026-10-03T12:00:00Z", 2)).toEqual([
    "2026-10-03T15:30:00.000Z",
    "2026-10-04T15:10:00.000Z",
  ]);
  // The 30th of December 2011 does not exist there.
  const apia = { cron: "0 6,12 30 12 *", timeZone: "Pacific/Apia" };
  expect(ticks(apia, "2011-12-29T00:00:00Z", 1)).toEqual(["2011-12-30T10:00:00.000Z"]);
});

test("a time is due at most the change of the clocks after it", () => {
  const zones = [
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Asia/Kolkata",
    "Africa/Casablanca",
  ];
  assertProperty(
    property(
      constantFrom(...zones),
      integer({ min: 0, max: 59 }),
      integer({ min: 0, max: 23 }),
      integer({ min: 0, max: 365 }),
      (timeZone, minute, hour, day) => {
        const settings = { cron: `${minute} ${hour} * * *`, timeZone };
        const format = new Intl.DateTimeFormat("en-GB", { timeZone, timeStyle: "short" });
        const [first = "", second = ""] = ticks(
          settings,
          new Date(Date.UTC(2026, 0, 1 + day, 12)).toISOString(),
          2,
        );
        // Each day has one.
        const hours = (Date.parse(second) - Date.parse(first)) / 3_600_000;
        expect(hours).toBeGreaterThanOrEqual(22);
        expect(hours).toBeLessThanOrEqual(26);
        const [shownHour = 0, shownMinute = 0] = format.format(new Date(first)).split(":").map(Number);
        const late = shownHour * 60 + shownMinute - (hour * 60 + minute);
        expect(late).toBeGreaterThanOrEqual(0);
        expect(late).toBeLessThanOrEqual(60);
      },
    ),
    100,
  );
});

test.each([
  { intervalSeconds: 3600 },
  { intervalSeconds: 3600, jitterSeconds: 120 },
  { cron: "0 */2 * * *", timeZone: "America/New_York" },
  { cron: "0 */2 * * *", timeZone: "America/New_York", jitterSeconds: 7200 },
])("each pod has a fixed delay within the jitter: %j", (settings) => {
  const jitterMs = (settings.jitterSeconds ?? settings.intervalSeconds ?? 60) * 1000;
  const start = Date.parse("2026-10-30T00:00:00Z");
  const delays = new Set<number>();
  assertProperty(
    property(integer({ min: 0, max: 1_000_000 }), integer({ min: 0, max: 5 * 86_400_000 }), (pod, later) => {
      const context = { policyUID: "p", pod: podOf(`pod-${pod}`) };
      const afterMs = start + later;
      const dueMs = heartbeat.next(settings, context, afterMs) ?? Number.NaN;
      expect(dueMs).toBeGreaterThan(afterMs);
      // No tick is between the two times, wherever the search starts.
      expect(heartbeat.next(settings, context, dueMs - 1)).toBe(dueMs);
      const base = { ...settings, jitterSeconds: 0 };
      const tickMs = heartbeat.next(base, context, dueMs - jitterMs) ?? Number.NaN;
      expect(dueMs - tickMs).toBeGreaterThanOrEqual(0);
      expect(dueMs - tickMs).toBeLessThan(jitterMs);
      delays.add(dueMs - tickMs);
    }),
    50,
  );
  expect(delays.size).toBeGreaterThan(25);
});

test("searches for a tick once, not for each pod", () => {
  const settings = { cron: "0 4 * * *", timeZone: "Asia/Tokyo", jitterSeconds: 3600 };
  const start = Date.parse("2026-05-01T18:30:00Z");
  const searches = jest.spyOn(Cron.prototype, "nextRun");
  for (let pod = 0; pod < 2000; pod++)
    heartbeat.next(settings, { policyUID: "p", pod: podOf(`pod-${pod}`) }, start);
  // One to check the time zone, and one for each pod that looks further back than all before: about ln(2000), on two sides
  // of the tick at 19:00 (UTC).
  expect(searches.mock.calls.length).toBeLessThan(25);
  searches.mockRestore();
});

test("finds ticks from any time in any order", () => {
  const settings = { cron: "15 */6 * * *", timeZone: "Europe/London", jitterSeconds: 0 };
  const start = Date.parse("2026-03-25T00:00:00Z");
  assertProperty(
    property(constant(settings), integer({ min: 0, max: 8 * 86_400_000 }), (given, later) => {
      const context = { policyUID: "p", pod: podOf("a") };
      const known = heartbeat.next(given, context, start + later);
      // A separate schedule, without anything known: another spelling of the same pattern.
      const fresh = heartbeat.next(
        { ...given, cron: "15  */6 * * *".replace("  ", " ".repeat(1 + (later % 7))) },
        context,
        start + later,
      );
      expect(known).toBe(fresh);
    }),
    50,
  );
});
