import { CHECKPOINTS, failing, seconds, unreachable, Harness } from "./support";

let harness: Harness;
beforeEach(() => {
  jest.useFakeTimers({ now: Date.parse("2026-11-21T15:00:00Z") });
  harness = new Harness();
});
afterEach(async () => {
  await harness.end();
  jest.useRealTimers();
});

test("requests each container from the engine and records the outcome in the status", async () => {
  const { metadata } = harness.pod("counter-0", { containers: ["a", "b"] });
  const replica = harness.start();
  await seconds(1);
  await harness.checkpoint("one", { location: "/var/c/1" });
  await seconds(0.5);
  expect(harness.status("one")).toMatchObject({
    reason: "CheckpointInProgress",
    message: "cedana checkpoints container a",
    true: ["Progressing"],
  });
  await seconds(3);
  expect(harness.engine.requests).toMatchObject([
    { namespace: "team-a", pod: "counter-0", container: "a", location: "/var/c/1-a", leaveRunning: true },
    { container: "b", location: "/var/c/1-b", podUID: metadata.uid, nodeName: "n1" },
  ]);
  const status = harness.status("one");
  expect(status).toMatchObject({
    reason: "CheckpointCompleted",
    message: "checkpointed a, b",
    true: ["Ready"],
    // The record was written twice: before the first request, and with the result.
    observedGeneration: 3,
    engine: "cedana",
    podUID: metadata.uid,
    nodeName: "n1",
    owner: { apiVersion: "apps/v1", kind: "ReplicaSet", name: "counter-6c", uid: "rs-1" },
    podTemplateHash: "6c",
    containers: [
      { name: "a", image: "image-a", checkpointID: "id-a" },
      { name: "b", image: "image-b", checkpointID: "id-b" },
    ],
    durationMilliseconds: 2000,
  });
  expect(status).not.toHaveProperty("sizeBytes");
  expect(replica.events).toMatchObject([
    { type: "Normal", reason: "CheckpointCompleted", regarding: { name: "one" } },
  ]);
  const metrics = await replica.metrics.registry.metrics();
  const series = (result: string, reason: string) =>
    `cedana_checkpoints_total{engine="cedana",result="${result}",reason="${reason}"}`;
  expect(metrics).toContain(`${series("completed", "CheckpointCompleted")} 1\n`);
  expect(metrics).toContain(`${series("failed", "RegistryFailed")} 0\n`);
  expect(metrics).toContain(`${series("unknown", "OutcomeUnknown")} 0\n`);
  expect(replica.lines).toContainEqual(
    expect.objectContaining({
      msg: "checkpoint ended",
      checkpoint: "one",
      namespace: "team-a",
      pod: "counter-0",
      node: "n1",
      engine: "cedana",
      reason: "CheckpointCompleted",
      message: "checkpointed a, b",
      durationMilliseconds: 2000,
      deleted: false,
    }),
  );
  expect(metrics).toContain("cedana_checkpoints_in_flight 0");
  // One write ahead of each container, and the end; and the record.
  const patches = harness.writes.filter(({ method }) => method === "PATCH");
  expect(patches.filter(({ path }) => path.endsWith("/status"))).toHaveLength(3);
  expect(patches.filter(({ path }) => path.endsWith("/one"))).toHaveLength(2);
});

test("sums the sizes, and passes the location unchanged for one container", async () => {
  harness.pod("counter-0", { containers: ["a", "b"] });
  harness.engine.work = async () => ({ checkpointID: "x", location: "/var/c", sizeBytes: 7 });
  harness.start();
  await harness.checkpoint("one", { containers: ["b"], location: "/var/c", leaveRunning: false });
  await harness.checkpoint("two");
  await seconds(5);
  expect(harness.engine.requests[0]).toMatchObject({
    container: "b",
    location: "/var/c",
    leaveRunning: false,
  });
  expect([harness.status("one")["sizeBytes"], harness.status("two")["sizeBytes"]]).toEqual([7, 14]);
});

test.each<[string, () => void, object, string, string | RegExp]>([
  ["the pod does not exist", () => {}, {}, "SourcePodNotFound", "pod counter-0 does not exist"],
  [
    "the pod with the UID was deleted",
    () => {},
    { podRef: { name: "counter-0", uid: "u" } },
    "SourcePodReplaced",
    /with UID u was deleted/,
  ],
  [
    "the pod has another UID",
    () => harness.pod("counter-0"),
    { podRef: { name: "counter-0", uid: "u" } },
    "SourcePodReplaced",
    /was replaced/,
  ],
  [
    "the pod has ended",
    () => harness.pod("counter-0", { phase: "Succeeded" }),
    {},
    "SourcePodEnded",
    /has ended in phase Succeeded/,
  ],
  [
    "the container does not exist",
    () => harness.pod("counter-0"),
    { containers: ["a", "x", "y"] },
    "ContainerNotFound",
    "pod counter-0 has no container x, y; it has a",
  ],
  [
    "the location is not allowed",
    () => harness.pod("counter-0"),
    { location: "/variant/of/it" },
    "LocationNotAllowed",
    "location /variant/of/it is not allowed by engine.checkpoints.locations: /var",
  ],
  [
    "the engine does not exist",
    () => harness.pod("counter-0"),
    { engine: "criu" },
    "EngineNotFound",
    "engine criu does not exist; available: cedana",
  ],
])("fails without a request to the engine if %s", async (_, prepare, spec, reason, message) => {
  prepare();
  const replica = harness.start();
  await harness.checkpoint("one", spec);
  await seconds(5);
  expect(harness.status("one")).toMatchObject({
    reason,
    true: ["Failed"],
    message: expect.stringMatching(message),
  });
  expect(harness.engine.requested).toEqual([]);
  expect(replica.events).toMatchObject([{ type: "Warning", reason }]);
});

test("waits for a pod that is not running yet, and fails if it is replaced meanwhile", async () => {
  harness.pod("counter-0", { phase: "Pending" });
  harness.start();
  await harness.checkpoint("one");
  await seconds(2);
  expect(harness.status("one")).toMatchObject({
    reason: "Pending",
    true: [],
    message: "pod counter-0 is not running yet: phase Pending",
  });
  const { podUID } = harness.status("one");
  harness.pod("counter-0");
  await seconds(12);
  expect(harness.status("one")).toMatchObject({ reason: "CheckpointCompleted", podUID });

  harness.pod("other", { phase: "Pending" });
  await harness.checkpoint("two", { podRef: { name: "other" } });
  await seconds(2);
  harness.removePod("other");
  harness.pod("other");
  await seconds(12);
  expect(harness.status("two")).toMatchObject({ reason: "SourcePodReplaced", true: ["Failed"] });
});

test("requests no further container if the pod was replaced", async () => {
  harness.pod("counter-0", { containers: ["a", "b"] });
  harness.start();
  await harness.checkpoint("one");
  await seconds(0.5);
  harness.removePod("counter-0");
  harness.pod("counter-0", { containers: ["a", "b"] });
  await seconds(5);
  expect(harness.engine.requested).toEqual(["counter-0/a"]);
  expect(harness.status("one")).toMatchObject({
    reason: "SourcePodReplaced",
    message: expect.stringMatching(/^a done; pod counter-0 was replaced/),
    containers: [{ checkpointID: "id-a" }, { name: "b" }],
  });
});

test.each([
  ["failed" as const, "CheckpointFailed", "failed"],
  ["refused" as const, "CheckpointFailed", "failed"],
  ["unknown" as const, "OutcomeUnknown", "unknown"],
])("records the engine's message unchanged if the outcome is %s", async (outcome, reason, result) => {
  harness.pod("counter-0", { containers: ["a", "b"] });
  harness.engine.work = failing("criu failed: type NOTIFY errno 0", outcome);
  const replica = harness.start();
  await harness.checkpoint("one");
  await seconds(5);
  expect(harness.status("one")).toMatchObject({
    reason,
    true: ["Failed"],
    message: "container a: criu failed: type NOTIFY errno 0",
  });
  expect(harness.engine.requested).toEqual(["counter-0/a"]);
  expect(await replica.metrics.registry.metrics()).toContain(
    `cedana_checkpoints_total{engine="cedana",result="${result}",reason="${reason}"} 1`,
  );
});

test("measures the Checkpoints that wait, until an engine receives them or they are deleted", async () => {
  const replica = harness.start();
  const measured = async () => {
    const text = await replica.metrics.registry.metrics();
    return ["waiting", "oldest_waiting_seconds"].map((name) =>
      Number(new RegExp(`^cedana_checkpoints_${name} (\\S+)$`, "m").exec(text)?.[1]),
    );
  };
  expect(await measured()).toEqual([0, 0]);
  // No pod has the name yet.
  harness.pod("counter-0", { phase: "Pending" });
  await harness.checkpoint("one");
  await seconds(90);
  await harness.checkpoint("two");
  await seconds(10);
  const [waiting, oldest] = await measured();
  expect(waiting).toBe(2);
  expect(oldest).toBeGreaterThanOrEqual(100);
  expect(oldest).toBeLessThan(102);
});

test("retries an unreachable engine with growing delays", async () => {
  harness.pod("counter-0");
  const work = harness.engine.work;
  harness.engine.work = unreachable;
  harness.start();
  await harness.checkpoint("one");
  await seconds(1);
  expect(harness.status("one")).toMatchObject({
    reason: "Pending",
    true: [],
    message: "engine cedana is unreachable: connect ECONNREFUSED",
  });
  await seconds(40);
  // After 0, 5, 15 and 35 seconds.
  expect(harness.engine.requested).toHaveLength(4);
  harness.engine.work = work;
  await seconds(45);
  expect(harness.engine.requested).toHaveLength(5);
  expect(harness.status("one")).toMatchObject({ reason: "CheckpointCompleted" });
});

describe("deletion", () => {
  test("requests no further container of a Checkpoint that is deleted in flight", async () => {
    harness.pod("counter-0", { containers: ["a", "b"] });
    harness.start();
    await harness.checkpoint("one");
    await seconds(0.5);
    harness.api.remove(`${CHECKPOINTS}/one`);
    await harness.checkpoint("one", { containers: ["b"] });
    await seconds(0.1);
    expect(harness.status("one").message).toBe("pod team-a/counter-0 is in use by team-a/one");
    await seconds(5);
    expect(harness.engine.requested).toEqual(["counter-0/a", "counter-0/b"]);
    expect(harness.status("one")).toMatchObject({
      reason: "CheckpointCompleted",
      containers: [{ name: "b" }],
    });
  });

  test("adds no finalizer, so that the object is removed at once", async () => {
    harness.pod("counter-0");
    harness.start();
    await harness.checkpoint("one");
    await seconds(5);
    expect(harness.api.get(`${CHECKPOINTS}/one`)?.metadata.finalizers ?? []).toEqual([]);
    await harness.api.send("DELETE", `${CHECKPOINTS}/one`);
    expect(harness.api.get(`${CHECKPOINTS}/one`)).toBeUndefined();
  });

  test("does not start a Checkpoint that is being deleted", async () => {
    await harness.checkpoint("one");
    harness.edit(`${CHECKPOINTS}/one`, ({ metadata }) =>
      Object.assign(metadata, { finalizers: ["other/x"] }),
    );
    await harness.api.send("DELETE", `${CHECKPOINTS}/one`);
    harness.pod("counter-0");
    harness.start();
    await seconds(5);
    expect(harness.api.get(`${CHECKPOINTS}/one`)).toBeDefined();
    expect(harness.engine.requested).toEqual([]);
  });
});

test("reconciles only the configured namespaces", async () => {
  harness.pod("counter-0");
  harness.start({ namespaces: ["team-b", "team-c"] });
  await harness.checkpoint("one");
  await seconds(5);
  expect(harness.status("one").reason).toBeUndefined();
  harness.start({ namespaces: ["team-b", "team-a"] });
  await seconds(5);
  expect(harness.status("one").reason).toBe("CheckpointCompleted");
});

describe("when the process stops", () => {
  test("records outcomes that arrive within the grace period", async () => {
    harness.pod("counter-0");
    const replica = harness.start();
    await harness.checkpoint("one");
    await seconds(0.5);
    replica.stop();
    await seconds(2);
    await replica.led;
    expect(harness.status("one").reason).toBe("CheckpointCompleted");
  });

  test("aborts later requests and records an unknown outcome", async () => {
    harness.pod("counter-0");
    harness.engine.work = () => new Promise(() => {});
    const replica = harness.start();
    await harness.checkpoint("one");
    await seconds(0.5);
    replica.stop();
    await seconds(9);
    await replica.led;
    expect(harness.status("one")).toMatchObject({
      reason: "OutcomeUnknown",
      message: "container a: the request was aborted",
    });
  });
});
