import { MemoryMonitor, type MemoryCrossing, type MemoryWatch } from "../../../api";

const START = Date.parse("2026-11-28T00:00:00Z");
const watchOf = (more: Partial<MemoryWatch> = {}): MemoryWatch => ({
  id: "0123456789abcdef",
  podUID: "pod",
  policyUID: "policy",
  forSeconds: 0,
  thresholds: [{ containers: ["app"], fireBytes: 80, rearmBytes: 72 }],
  ...more,
});

/** Feeds readings of one container, one each 2 s. @returns the seconds of the crossings */
function crossingsOf(
  values: readonly (number | undefined)[],
  watch = watchOf(),
  monitor = new MemoryMonitor(),
): number[] {
  monitor.set([watch]);
  const times = new Set<string>();
  for (const [index, bytes] of values.entries()) {
    const readings = bytes === undefined ? new Map() : new Map([["pod", new Map([["app", bytes]])]]);
    monitor.observe(readings, START + index * 2000);
    for (const { time } of monitor.crossings) times.add(time);
  }
  return [...times].map((time) => (Date.parse(time) - START) / 1000);
}

test("is due once when the threshold is reached, and again only after it fell below the lower one", () => {
  expect(crossingsOf([10, 79, 80, 99, 80, 75, 79, 85])).toEqual([4]);
  expect(crossingsOf([10, 80, 71, 79, 80])).toEqual([2, 8]);
});

test("memory that moves around the threshold is due once", () => {
  expect(crossingsOf(Array.from({ length: 200 }, (_, index) => (index % 2 === 0 ? 81 : 73)))).toEqual([0]);
});

test("the threshold must be reached in all readings of the duration", () => {
  const watch = watchOf({ forSeconds: 6 });
  expect(crossingsOf([80, 80, 80, 80, 80], watch)).toEqual([6]);
  expect(crossingsOf([80, 80, 80, 79, 80, 80, 80, 80], watch)).toEqual([14]);
});

test("a pod without a reading keeps its state, and a long gap begins the duration again", () => {
  const watch = watchOf({ forSeconds: 6 });
  expect(crossingsOf([80, undefined, undefined, 80], watch)).toEqual([6]);
  const gap = Array.from({ length: 61 }, () => undefined);
  expect(crossingsOf([80, ...gap, 80, 80, 80, 80], watch)).toEqual([130]);
  expect(crossingsOf([80, ...gap, 80])).toEqual([0]);
});

test("a value that is read several times counts as one reading", () => {
  const monitor = new MemoryMonitor();
  monitor.set([watchOf({ forSeconds: 30 })]);
  const measured = [0, 0, 0, 60, 60];
  const crossed = measured.map((second, index) => {
    const nowMs = START + (index + 1) * 15_000;
    monitor.observe(new Map([["pod", new Map([["app", 90]])]]), nowMs, () => START + second * 1000);
    return monitor.crossings.length;
  });
  expect(crossed).toEqual([0, 0, 0, 1, 1]);
});

test("a container that restarted is re-armed: its memory is that of other processes", () => {
  const monitor = new MemoryMonitor();
  monitor.set([watchOf()]);
  monitor.observe(new Map([["pod", new Map([["app", 90]])]]), START);
  monitor.observe(new Map([["pod", new Map()]]), START + 2000);
  monitor.observe(new Map([["pod", new Map([["app", 90]])]]), START + 4000);
  expect(monitor.crossings).toEqual([
    { id: "0123456789abcdef", time: new Date(START + 4000).toISOString(), rearmed: false },
  ]);
});

test("one container that reaches its threshold suffices, and all must fall to re-arm it", () => {
  const watch = watchOf({
    thresholds: [
      { containers: ["app"], fireBytes: 80, rearmBytes: 72 },
      { containers: ["proxy"], fireBytes: 8, rearmBytes: 7 },
      { fireBytes: 100, rearmBytes: 90 },
    ],
  });
  const monitor = new MemoryMonitor();
  monitor.set([watch]);
  const at = (second: number, app: number, proxy: number) => {
    monitor.observe(new Map([["pod", new Map(Object.entries({ app, proxy }))]]), START + second * 1000);
    return monitor.crossings.map(({ time, rearmed }) => [(Date.parse(time) - START) / 1000, rearmed]);
  };
  expect(at(0, 79, 7)).toEqual([]);
  expect(at(1, 10, 8)).toEqual([[1, false]]);
  expect(at(2, 79, 6)).toEqual([[1, false]]);
  expect(at(3, 71, 6)).toEqual([[1, true]]);
  expect(at(4, 79, 7)).toEqual([[1, true]]);
  expect(at(5, 79, 21)).toEqual([[5, false]]);
});

test("a restart continues from the status: nothing is due twice, and nothing that was re-armed is lost", () => {
  const crossing = (rearmed: boolean): MemoryCrossing => ({
    id: "0123456789abcdef",
    time: "2026-11-27T23:00:00.000Z",
    rearmed,
  });
  const after = (status: readonly MemoryCrossing[], bytes: number) => {
    const monitor = new MemoryMonitor();
    monitor.set([watchOf()], status);
    monitor.observe(new Map([["pod", new Map([["app", bytes]])]]), START);
    return monitor.crossings;
  };
  expect(after([crossing(false)], 90)).toEqual([crossing(false)]);
  expect(after([crossing(false)], 71)).toEqual([crossing(true)]);
  expect(after([crossing(true)], 90)).toEqual([{ ...crossing(false), time: new Date(START).toISOString() }]);
  expect(after([crossing(true)], 79)).toEqual([crossing(true)]);
});

test("a crossing is later than the last one, also on a clock that was set back", () => {
  const monitor = new MemoryMonitor();
  monitor.set([watchOf()], [{ id: "0123456789abcdef", time: "2026-11-28T05:00:00.000Z", rearmed: true }]);
  monitor.observe(new Map([["pod", new Map([["app", 90]])]]), START);
  expect(monitor.crossings).toMatchObject([{ time: "2026-11-28T05:00:00.001Z", rearmed: false }]);
});

test("removed watches are discarded, and others keep their state", () => {
  const other = watchOf({ id: "fedcba9876543210", podUID: "other" });
  const monitor = new MemoryMonitor();
  monitor.set([watchOf(), other]);
  expect(monitor.pods).toEqual(["pod", "other"]);
  const high = new Map([["app", 90]]);
  monitor.observe(
    new Map([
      ["pod", high],
      ["other", high],
    ]),
    START,
  );
  monitor.set([other]);
  expect(monitor.pods).toEqual(["other"]);
  monitor.observe(new Map([["other", high]]), START + 2000);
  expect(monitor.crossings).toMatchObject([{ id: other.id, time: new Date(START).toISOString() }]);
});
