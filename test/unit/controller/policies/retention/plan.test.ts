import { planRetention } from "../../../../../controller/policies/retention/plan";
import { aged, checkpoint, DAY, decisions, HOUR, input, NOW, pod } from "./support";

const WEEK = { olderThanSeconds: 7 * 86_400 };

test("deletes what is older, and keeps the last good one of the workload however old it is", () => {
  expect(decisions(input(WEEK, aged([30, 8, 7])))).toEqual({
    d30: "delete OlderThan",
    d8: "delete OlderThan",
    d7: "keep LastGood",
  });
  expect(decisions(input(WEEK, aged([30, 20])))).toEqual({ d30: "delete OlderThan", d20: "keep LastGood" });
});

test("keepLast as the only limit deletes all but the last ones of each workload", () => {
  const other = aged([4], { lineage: "team-a web-1" }).map((one) => ({ ...one, key: "team-a/other" }));
  expect(decisions(input({ keepLast: 2 }, [...aged([3, 2, 1]), ...other]))).toEqual({
    d3: "delete BeyondLast",
    d2: "keep KeepLast",
    d1: "keep LastGood",
    other: "keep LastGood",
  });
});

test("keepLast keeps its Checkpoints whatever the other limits are", () => {
  expect(decisions(input({ ...WEEK, keepLast: 2 }, aged([30, 20, 10])))).toEqual({
    d30: "delete OlderThan",
    d20: "keep KeepLast",
    d10: "keep LastGood",
  });
  expect(decisions(input({ ...WEEK, keepLast: 1 }, aged([6, 5, 4])))).toEqual({
    d6: "keep WithinLimits",
    d5: "keep WithinLimits",
    d4: "keep LastGood",
  });
});

test("maxTotalBytes deletes the oldest ones until the rest is small enough", () => {
  const all = aged([5, 4, 3, 2, 1], { sizeBytes: 10 });
  expect(decisions(input({ maxTotalBytes: 30 }, all))).toEqual({
    d5: "delete OverTotalSize",
    d4: "delete OverTotalSize",
    d3: "keep WithinLimits",
    d2: "keep WithinLimits",
    d1: "keep LastGood",
  });
  expect(decisions(input({ maxTotalBytes: 1, keepLast: 2 }, all))).toMatchObject({
    d3: "delete OverTotalSize",
    d2: "keep KeepLast",
    d1: "keep LastGood",
  });
  // What the age deletes does not count.
  expect(decisions(input({ maxTotalBytes: 30, olderThanSeconds: 3.5 * 86_400 }, all))).toEqual({
    d5: "delete OlderThan",
    d4: "delete OlderThan",
    d3: "keep WithinLimits",
    d2: "keep WithinLimits",
    d1: "keep LastGood",
  });
});

test("a Checkpoint of unknown size is not deleted for the size", () => {
  const [first, ...others] = aged([3, 2, 1], { sizeBytes: 10 });
  const { sizeBytes: _, ...unknown } = first!;
  expect(decisions(input({ maxTotalBytes: 10 }, [unknown, ...others]))).toEqual({
    d3: "keep WithinLimits",
    d2: "delete OverTotalSize",
    d1: "keep LastGood",
  });
});

const restore = (state: string, timeMs = NOW - 10 * DAY) => ({ restore: { state, timeMs } });

test.each<[string, Parameters<typeof checkpoint>[1], string]>([
  ["is pinned", { isPinned: true }, "keep Pinned"],
  ["has not ended", { state: "open", endedMs: undefined }, "keep NotEnded"],
  ["is being deleted", { isDeleted: true }, "keep Deleting"],
  ["belongs to a Cedana", { cedana: "demo" }, "keep OwnedByCedana"],
  ["has no time", { endedMs: undefined }, "keep NotKnown"],
  ["is claimed", restore("Claimed"), "keep InUse"],
  ["was claimed by a pod that was not created, lately", restore("PodMissing", NOW - HOUR), "keep InUse"],
  ["was claimed by a pod that was not created, long ago", restore("PodMissing"), "delete OlderThan"],
  ["has an unknown restore", restore("Unknown"), "keep InUse"],
  ["has a state of a later version", restore("Migrating"), "keep InUse"],
  ["is the last one that a restore has proven", restore("Restored"), "keep LastProven"],
  ["is the last one that a verification has proven", { isVerified: true }, "keep LastProven"],
  ["has a failed restore", restore("Failed"), "delete OlderThan"],
  ["failed", { state: "failed" }, "delete OlderThan"],
  ["failed less than a day ago", { state: "failed", endedMs: NOW - DAY + 1 }, "keep RecentFailure"],
])("a Checkpoint that %s", (_, more, decision) => {
  const one = checkpoint("one", { endedMs: NOW - 10 * DAY, ...more });
  expect(decisions(input(WEEK, [one, ...aged([1])]))["one"]).toBe(decision);
});

test("a Checkpoint from which a pod is restored stays until the pod has ended", () => {
  const all = aged([10, 1], { restore: { state: "Failed", timeMs: NOW } });
  const decide = (more: object) =>
    decisions(input(WEEK, all, { pods: [pod("p", { restoredFrom: "uid-d10", ...more })] }))["d10"];
  expect(decide({})).toBe("keep InUse");
  expect(decide({ isDeleted: true })).toBe("keep InUse");
  expect(decide({ hasEnded: true })).toBe("delete OlderThan");
});

test("a Checkpoint that a pod template names is in use", () => {
  expect(decisions(input(WEEK, aged([10, 9, 1]), { named: new Set(["team-a/d10"]) }))).toMatchObject({
    d10: "keep InUse",
    d9: "delete OlderThan",
  });
});

test("a newer Checkpoint whose restore failed does not replace the last good one", () => {
  const failed = { restore: { state: "Failed", timeMs: NOW } };
  const all = [...aged([30, 20]), ...aged([10], failed), ...aged([9], failed)];
  expect(decisions(input(WEEK, all))).toEqual({
    d30: "delete OlderThan",
    d20: "keep LastGood",
    d10: "delete OlderThan",
    // Its restore may have failed for another reason than the checkpoint.
    d9: "keep LastGood",
  });
});

test.each<[string, Parameters<typeof checkpoint>[1]]>([
  ["a restore", { restore: { state: "Restored", timeMs: NOW } }],
  ["a verification", { isVerified: true }],
])("newer Checkpoints that nothing has proven do not replace the last one that %s proved", (_, proven) => {
  const all = [...aged([50], proven), ...aged([40], proven), ...aged([30, 20, 10])];
  expect(decisions(input({ keepLast: 1 }, all))).toEqual({
    d50: "delete BeyondLast",
    d40: "keep LastProven",
    d30: "delete BeyondLast",
    d20: "delete BeyondLast",
    d10: "keep LastGood",
  });
});

test("a Checkpoint that the policy does not select is kept, and may be the last good one of those it selects", () => {
  const manual = checkpoint("manual", { policy: undefined });
  const given = input(WEEK, [...aged([30]), manual], { isSelected: ({ policy }) => policy === "nightly" });
  expect(decisions(given)).toEqual({ d30: "delete OlderThan" });
});

test("what is not known of a namespace is kept", () => {
  const given = input(WEEK, aged([30, 1]), { unknown: () => "pods is forbidden" });
  expect(planRetention(given, NOW).map(({ reason, message }) => `${reason} ${message}`)).toEqual(
    Array<string>(2).fill("NotKnown its namespace is not known: pods is forbidden"),
  );
});

test("the last failures of a pod that exists stay: its backoff counts them", () => {
  const failures = aged([30, 29, 28], { state: "failed", source: "p" });
  const before = checkpoint("before", { state: "failed", source: "p", endedMs: NOW - 50 * DAY });
  const completed = checkpoint("completed", { source: "p", endedMs: NOW - 40 * DAY });
  const all = [before, completed, ...failures];
  expect(decisions(input(WEEK, all, { pods: [pod("p")] }))).toEqual({
    before: "delete OlderThan",
    completed: "keep LastGood",
    d30: "keep RecentFailure",
    d29: "keep RecentFailure",
    d28: "keep RecentFailure",
  });
  expect(decisions(input(WEEK, all))).toMatchObject({ d28: "delete OlderThan" });
  const many = Array.from({ length: 12 }, (_, index) =>
    checkpoint(`f${index}`, { state: "failed", source: "p", endedMs: NOW - (20 - index) * DAY }),
  );
  const kept = Object.values(decisions(input(WEEK, many, { pods: [pod("p")] })));
  expect(kept.filter((one) => one === "keep RecentFailure")).toHaveLength(10);
});

describe("a Deployment", () => {
  const pool = { isPool: true, lineage: "team-a web" };
  const of = (source: string, name: string, days: number) =>
    checkpoint(name, { ...pool, source, endedMs: NOW - days * DAY });
  const all = [of("a", "a2", 30), of("b", "b1", 29), of("a", "a1", 28), of("c", "c1", 27)];
  const decide = (...pods: Parameters<typeof pod>[]) =>
    decisions(
      input(WEEK, all, { pods: pods.map(([uid, more]) => pod(uid, { pool: "team-a web", ...more })) }),
    );

  test("keeps the last good one of as many pods as it has", () => {
    expect(decide(["x"], ["y"])).toEqual({
      a2: "delete OlderThan",
      b1: "delete OlderThan",
      a1: "keep LastGood",
      c1: "keep LastGood",
    });
    expect(decide(["x"], ["y", { hasEnded: true }])).toMatchObject({
      a1: "delete OlderThan",
      c1: "keep LastGood",
    });
  });

  test("keeps those of all pods that it had while it has none, a young one, or one that is being deleted", () => {
    const kept = { a2: "delete OlderThan", b1: "keep LastGood", a1: "keep LastGood", c1: "keep LastGood" };
    expect(decide()).toEqual(kept);
    expect(decide(["x"], ["y", { createdMs: NOW - HOUR + 1 }])).toEqual(kept);
    // While it is scaled down, these may be the pods whose state is restored next.
    expect(decide(["x"], ["y", { isDeleted: true }])).toEqual(kept);
    expect(decide(["x"], ["y", { isDeleted: true, hasEnded: true }])).toEqual(kept);
    expect(decide(["x"], ["y", { createdMs: NOW - HOUR }])).not.toEqual(kept);
  });
});

describe("a Job that was deleted", () => {
  const job = { isPool: true, lineage: "team-a job", jobUID: "j" };

  test("needs none of its Checkpoints", () => {
    const decide = (jobs?: readonly string[]) =>
      decisions(input(WEEK, aged([30, 20], job), { ...(jobs && { jobs: new Set(jobs) }) }));
    expect(decide(["j"])).toEqual({ d30: "delete OlderThan", d20: "keep LastGood" });
    expect(decide()).toEqual({ d30: "delete OlderThan", d20: "keep LastGood" });
    expect(decide(["other"])).toEqual({ d30: "delete OlderThan", d20: "delete OlderThan" });
  });

  test("keeps those of the last hour, which the cache of Jobs may not have yet", () => {
    const recent = checkpoint("recent", { ...job, endedMs: NOW - HOUR });
    const given = input({ olderThanSeconds: 60 }, [recent], { jobs: new Set() });
    expect(decisions(given)).toEqual({ recent: "keep LastGood" });
    expect(decisions(given, NOW + 1)).toEqual({ recent: "delete OlderThan" });
  });
});

test("names the limit in words", () => {
  const message = (limits: Parameters<typeof input>[0]) =>
    planRetention(input(limits, aged([8, 7, 6], { sizeBytes: 5 })), NOW)[0]?.message;
  expect(message(WEEK)).toBe("ended 691200 s ago; olderThanSeconds is 604800");
  expect(message({ keepLast: 1 })).toBe("not one of the last 1 of its workload");
  expect(message({ maxTotalBytes: 10 })).toBe("the Checkpoints have 15 bytes in total; maxTotalBytes is 10");
});

describe("a deletion relies on", () => {
  /** Returns the names of the Checkpoints that must still be good when one is deleted. */
  const reliesOn = (
    all: Parameters<typeof input>[1],
    name: string,
    more: Parameters<typeof input>[2] = {},
  ) => {
    const found = planRetention(input(WEEK, all, more), NOW).find(
      ({ checkpoint: { key } }) => key === `team-a/${name}`,
    );
    if (found?.is !== "delete") throw new Error(`${name} is not deleted: ${found?.reason}`);
    return found
      .reliesOn()
      .map(({ key }) => key.slice("team-a/".length))
      .toSorted();
  };
  const failed = { restore: { state: "Failed", timeMs: NOW } };
  const restored = { restore: { state: "Restored", timeMs: NOW } };

  test("the newest one, the last good one and, for a proven one, the last proven one", () => {
    const all = [
      ...aged([30, 29]),
      ...aged([28, 27], restored),
      ...aged([20, 19, 18]),
      ...aged([17], failed),
    ];
    expect(reliesOn(all, "d30")).toEqual(["d17", "d18"]);
    expect(reliesOn(all, "d28")).toEqual(["d17", "d18", "d27"]);
    // What could not be restored replaces no good one.
    expect(reliesOn([...aged([30], failed), ...aged([20, 10]), ...aged([9], failed)], "d30")).toEqual(["d9"]);
  });

  test("for the pod of a Deployment, also the last good one of the same pod", () => {
    const of = (source: string, days: number) => ({
      ...aged([days], { isPool: true, lineage: "team-a web", source })[0]!,
    });
    const all = [of("a", 30), of("a", 20), of("b", 10)];
    const more = { pods: [pod("x", { pool: "team-a web" })] };
    expect(reliesOn(all, "d30", more)).toEqual(["d10", "d20"]);
    expect(reliesOn([...all, { ...of("b", 9), ...failed }], "d30", more)).toEqual(["d10", "d20", "d9"]);
  });

  test("nothing, if it failed or its Job was deleted", () => {
    expect(reliesOn([...aged([30], { state: "failed" }), ...aged([1])], "d30")).toEqual([]);
    const job = { isPool: true, lineage: "team-a job", jobUID: "j" };
    expect(reliesOn(aged([30, 20], job), "d30", { jobs: new Set() })).toEqual([]);
    expect(reliesOn(aged([30, 20], job), "d30", { jobs: new Set(["j"]) })).toEqual(["d20"]);
  });
});
