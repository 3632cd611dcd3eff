import { memory } from "../../../../controller/policies/triggers/memory";
import { MINUTE, podOf, START, World } from "./support";

const GI = 2 ** 30;
const limits = { memoryLimits: { app: 4 * GI, proxy: GI }, containers: ["app", "proxy", "log"] };

describe("what is watched", () => {
  const watch = (settings: object, pod: object = limits, containers?: readonly string[]) =>
    memory.watch?.(settings, podOf("a", pod), containers);

  test("percent is of each container that has a limit", () => {
    expect(watch({ percent: 80, forSeconds: 30 })).toEqual({
      forSeconds: 30,
      thresholds: [
        { containers: ["app"], fireBytes: Math.ceil(3.2 * GI), rearmBytes: Math.floor(2.88 * GI) },
        { containers: ["proxy"], fireBytes: Math.ceil(0.8 * GI), rearmBytes: Math.floor(0.72 * GI) },
      ],
    });
  });

  test("percent is also of the pod, if the pod has a limit", () => {
    const pod = { memoryLimits: {}, podMemoryLimit: GI, containers: ["app"] };
    expect(watch({ percent: 50, rearmPercent: 25 }, pod)).toEqual({
      forSeconds: 0,
      thresholds: [{ fireBytes: GI / 2, rearmBytes: GI / 4 }],
    });
  });

  test("bytes are of all containers, or of those of the filter", () => {
    expect(watch({ bytes: "2Gi" })).toEqual({
      forSeconds: 0,
      thresholds: [{ fireBytes: 2 * GI, rearmBytes: Math.floor(1.8 * GI) }],
    });
    expect(watch({ bytes: "2Gi", rearmBytes: "1Gi" }, limits, ["app"])).toEqual({
      forSeconds: 0,
      thresholds: [{ containers: ["app"], fireBytes: 2 * GI, rearmBytes: GI }],
    });
  });

  test.each([
    [
      "percent without a limit",
      { percent: 80 },
      { memoryLimits: {}, containers: ["app", "log"] },
      undefined,
      "percent has no effect: containers app, log without a memory limit; set bytes, or resources.limits.memory",
    ],
    [
      "percent of selected containers without a limit",
      { percent: 80 },
      limits,
      ["log"],
      "percent has no effect: container log without a memory limit; set bytes, or resources.limits.memory",
    ],
    [
      "bytes above the limits",
      { bytes: "5Gi" },
      limits,
      ["app"],
      "bytes 5Gi exceed the memory limit of 4294967296 bytes",
    ],
  ])("%s is never due, with the reason", (_, settings, pod, containers, reason) => {
    expect(watch(settings, pod, containers)).toBe(reason);
  });
});

const policy = { trigger: { memory: { percent: 80 } }, minSpacingSeconds: 0 };
const crossed = (timeMs: number) => ({ ...limits, crossings: { p: timeMs } });

test("checkpoints a pod once for each crossing, at most a moment later", () => {
  const world = new World();
  world.policy("p", policy);
  world.pod("a", limits);
  world.pass(MINUTE);
  expect(world.starts).toEqual([]);
  const firstMs = world.nowMs - 1500;
  world.pod("a", crossed(firstMs));
  world.pass(MINUTE);
  world.pod("a", crossed(firstMs));
  world.pass(MINUTE);
  expect(world.starts).toEqual([{ pod: "a", policy: "p", dueMs: firstMs, atMs: START + MINUTE }]);
  world.pod("a", crossed(world.nowMs));
  world.pass(MINUTE);
  expect(world.starts).toHaveLength(2);
});

test("a new leader starts the crossing that no leader saw, and none twice", () => {
  const world = new World();
  world.policy("p", policy);
  world.pod("a", crossed(START + 1));
  world.pass(MINUTE);
  expect(world.starts).toHaveLength(1);
  world.changeLeader(MINUTE);
  world.pass(MINUTE);
  expect(world.starts).toHaveLength(1);
  world.pods.set("a", { ...world.pods.get("a")!, crossings: { p: world.nowMs + 20_000 } });
  world.changeLeader(MINUTE);
  world.pass(MINUTE);
  expect(world.starts).toHaveLength(2);
});

test("waits for an open Checkpoint of the pod, and an earlier one does not cover it", () => {
  const world = new World();
  world.policy("p", { ...policy, minSpacingSeconds: 60 });
  world.pod("a", limits);
  world.checkpoint("team-a/a", 30_000);
  world.pass(10_000);
  world.pod("a", crossed(world.nowMs));
  world.pass(5 * MINUTE);
  expect(world.starts).toEqual([{ pod: "a", policy: "p", dueMs: START + 10_000, atMs: START + MINUTE }]);
});

test("what is watched follows the pods that match, on their nodes", () => {
  const world = new World();
  const { watches } = world.engine;
  world.policy("p", { ...policy, filter: { pods: { matchLabels: { app: "web" } } } });
  world.pod("a", { ...limits, labels: { app: "web" } });
  world.pod("b", { ...limits, labels: { app: "web" }, nodeName: "n2" });
  world.pod("c", limits);
  world.pod("d", { memoryLimits: {}, labels: { app: "web" } });
  expect(watches.takeChanged()).toEqual(["n1", "n2"]);
  expect(watches.on("n1").map(({ podUID, policyUID }) => [podUID, policyUID])).toEqual([["a", "p"]]);
  expect(world.engine.view("p")).toMatchObject({
    matchedPods: 3,
    isWatching: true,
    unwatched: { pods: 1, example: expect.stringContaining("pod team-a/d: percent has no effect") },
  });
  const [before] = watches.on("n2");
  world.policy("p", { ...policy, trigger: { memory: { percent: 90 } } }, { generation: 2 });
  expect(watches.on("n2")).toHaveLength(1);
  // Other settings are another watch, whose crossings are separate.
  expect(watches.on("n2")[0]?.id).not.toBe(before?.id);
  expect(watches.takeChanged().toSorted()).toEqual(["n1", "n2"]);
  world.engine.removePod("a");
  world.pod("c", { ...limits, phase: "Pending" });
  expect(watches.on("n1")).toEqual([]);
  world.policy("p", { ...policy, suspend: true }, { generation: 3 });
  expect(watches.on("n2")).toEqual([]);
});
