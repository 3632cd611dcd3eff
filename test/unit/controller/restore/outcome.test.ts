/** Outcomes of restores and claims, with the controllers of the leader. */
import { CRIU, ended, Harness, PODS, seconds, waiting, type Status } from "./harness";

const START_ERROR = { terminated: { reason: "StartError", exitCode: 128 } };

let harness: Harness;
beforeEach(() => {
  jest.useFakeTimers({ doNotFake: ["nextTick", "queueMicrotask"] });
  harness = new Harness();
});
afterEach(async () => {
  await harness.end();
  jest.useRealTimers();
});

test.each<[string, Status]>([
  ["fails less than three times", waiting("CrashLoopBackOff", { lastState: ended(1), restartCount: 2 })],
  ["succeeds repeatedly", waiting("CrashLoopBackOff", { lastState: ended(0), restartCount: 9 })],
])("with restart: again keeps a restored pod whose container %s", async (_, status) => {
  await harness.end();
  harness = new Harness({ ...CRIU, restore: { restart: "again", lazy: false, timeoutSeconds: 60 } });
  harness.claim();
  await harness.lead();
  const { uid } = harness.pod().metadata;
  await seconds(1);
  harness.report(uid, "Restored");
  harness.setStatus(status, "Running");
  await seconds(200);
  expect(harness.isPlanned()).toBe(true);
  expect(harness.restore).toMatchObject({ state: "Restored" });
});

test("marks the Checkpoint of a pod in phase Failed, so that the next pod starts fresh", async () => {
  harness.claim();
  await harness.lead();
  const { uid } = harness.pod().metadata;
  await seconds(1);
  harness.setStatus({ state: ended(128), restartCount: 0 }, "Failed");
  harness.report(uid, "RestoreFailed", "CRIU failed");
  await seconds(1);
  expect(harness.restore).toMatchObject({ state: "Failed" });
  expect(harness.reports()).toEqual([
    "Warning RestoreFailed: restore from Checkpoint before failed: CRIU failed. The next pod of its owner starts fresh",
  ]);
});

test.each([
  ["that is known", "CRIUFailed", "CRIUFailed"],
  ["that this version does not know", "Made-up-by-a-node", "Other"],
  ["that is missing", undefined, "Other"],
])("counts and logs a failed restore with a cause %s", async (_, cause, reason) => {
  harness.claim();
  await harness.lead();
  const { uid } = harness.pod().metadata;
  const series = `cedana_restores_total{result="fellBack",reason="${reason}"}`;
  expect(await harness.metrics.registry.metrics()).toContain(`${series} 0\n`);
  await seconds(1);
  harness.report(uid, "StartedFresh", "CRIU failed", cause);
  await seconds(1);
  expect(await harness.metrics.registry.metrics()).toContain(`${series} 1\n`);
  expect(harness.lines).toContainEqual(
    expect.objectContaining({
      msg: "restore ended",
      namespace: "team-a",
      pod: "web-0",
      podUID: uid,
      node: "n1",
      checkpoint: "before",
      claim: "c-1",
      result: "fellBack",
      reason,
      message: "restore from Checkpoint before failed: CRIU failed. It starts fresh",
    }),
  );
});

test("counts other outcomes from 0, and logs who resumed from what", async () => {
  harness.claim();
  await harness.lead();
  const text = await harness.metrics.registry.metrics();
  for (const labels of [
    'result="restored",reason="None"',
    'result="skipped",reason="None"',
    'result="lost",reason="ClaimLost"',
    'result="unknown",reason="NotReported"',
    'result="stopped",reason="Incompatible"',
  ])
    expect(text).toContain(`cedana_restores_total{${labels}} 0\n`);
  const { uid } = harness.pod().metadata;
  await seconds(1);
  harness.report(uid, "Restored");
  await seconds(1);
  expect(await harness.metrics.registry.metrics()).toContain(
    'cedana_restores_total{result="restored",reason="None"} 1\n',
  );
  expect(harness.lines).toContainEqual(
    expect.objectContaining({ msg: "restore ended", pod: "web-0", checkpoint: "before", result: "restored" }),
  );
});

test("the event of a pod with fallback stop has the remedy", async () => {
  harness.claim();
  await harness.lead();
  const { uid } = harness.pod({ annotations: { "cedana.ai/restore-fallback": "stop" } }).metadata;
  await seconds(1);
  harness.report(uid, "RestoreFailed");
  await seconds(300);
  expect(harness.isPlanned()).toBe(true);
  expect(harness.restore).toMatchObject({ state: "Failed" });
  expect(harness.reports()).toHaveLength(1);
  expect(harness.reports()[0]).toMatch(
    /not changed .*To start it fresh, .*; to retry, remove status.restore/,
  );
});

test("the next leader completes an interrupted fallback", async () => {
  harness.claim();
  harness.api.before = ({ method, path }) => {
    if (method === "PATCH" && path.startsWith(PODS)) throw new Error("cut");
  };
  await harness.lead();
  const { uid } = harness.pod().metadata;
  await seconds(1);
  harness.report(uid, "StartedFresh");
  await seconds(1);
  expect(harness.restore).toMatchObject({ state: "Failed" });
  expect(harness.isPlanned()).toBe(true);
  await harness.end();
  delete harness.api.before;
  const before = harness;
  harness = Object.assign(new Harness(), { api: before.api });
  await harness.lead();
  await seconds(1);
  expect(harness.isPlanned()).toBe(false);
});

test("pods that share a Checkpoint claim nothing, and one failure marks it for all", async () => {
  await harness.lead();
  const annotations = { "cedana.ai/restore-shared": "true" };
  const restored = ["a", "b"].map((name) => harness.pod({ name, annotations }).metadata.uid);
  await seconds(1);
  for (const uid of restored) harness.report(uid, "Restored");
  await seconds(1);
  expect(harness.restore).toBeUndefined();
  expect(harness.reports()).toHaveLength(2);
  const { uid } = harness.pod({ name: "c", annotations }).metadata;
  await seconds(1);
  harness.report(uid, "StartedFresh");
  await seconds(1);
  expect(harness.isPlanned("c")).toBe(false);
  expect(harness.isPlanned("a")).toBe(true);
  expect(harness.restore).toMatchObject({ state: "Failed", podName: "c" });
});

test("reports a new pod that starts fresh, but not an old one", async () => {
  await harness.lead();
  const skipped = { "cedana.ai/restore-skipped": "Checkpoint x does not exist in the namespace" };
  for (const [name, minutes] of [
    ["new", 0],
    ["old", 10],
  ] as const)
    harness.api.put(PODS, {
      metadata: {
        name,
        namespace: "team-a",
        creationTimestamp: new Date(Date.now() - minutes * 60_000).toISOString(),
        labels: { "cedana.ai/restored-from": "none" },
        annotations: skipped,
      },
      spec: { containers: [] },
    } as never);
  await seconds(1);
  expect(harness.events.map(({ regarding, reason, note }) => `${regarding.name} ${reason}: ${note}`)).toEqual(
    ["new RestoreSkipped: starts fresh: Checkpoint x does not exist in the namespace"],
  );
});

describe("a claim", () => {
  test("without a pod is released after the API server's request timeout, not before", async () => {
    harness.claim();
    await harness.lead();
    await seconds(64);
    expect(harness.restore).toBeDefined();
    await seconds(2);
    expect(harness.restore).toBeUndefined();
  });

  test("without a pod is reported on the Checkpoint, once until a pod is created", async () => {
    const missing = (pod: string) =>
      `Warning RestorePodMissing: ${pod} was admitted to be restored from it, but is not created; a policy, a quota or another webhook may reject it: see the events of its owner`;
    harness.claim();
    await harness.lead();
    await seconds(64);
    expect(harness.reports("Checkpoint")).toEqual([]);
    await seconds(2);
    expect(harness.reports("Checkpoint")).toEqual([missing("a pod")]);
    harness.claim("c-2");
    await seconds(70);
    expect(harness.reports("Checkpoint")).toHaveLength(1);
    harness.claim("c-3");
    harness.pod({ claim: "c-3" });
    await seconds(2);
    expect(harness.restore).toMatchObject({ claim: "c-3", podName: "web-0" });
    expect(harness.reports("Checkpoint")).toHaveLength(1);
  });

  test("with attempts of an owner is released, and keeps them until a pod is created", async () => {
    const attempts = { owner: "uid-owner", count: 2, firstTime: "2026-01-01T00:00:00Z" };
    harness.claim("c-1", undefined, { attempts });
    await harness.lead();
    await seconds(64);
    expect(harness.restore).toMatchObject({ state: "Claimed" });
    await seconds(2);
    expect(harness.restore).toMatchObject({ state: "PodMissing", claim: "c-1", attempts });
    harness.claim("c-2", undefined, { attempts: { ...attempts, count: 3 } });
    harness.pod({ claim: "c-2" });
    await seconds(2);
    expect(harness.restore).toMatchObject({ state: "Claimed", claim: "c-2", podName: "web-0" });
    expect(harness.restore).not.toHaveProperty("attempts");
  });

  test("of which no pod was created is reported once a pod is admitted without the checkpoint", async () => {
    await harness.lead();
    const attempts = { owner: "uid-owner", count: 3, firstTime: "2026-01-01T00:00:00Z", freshAt: 3 };
    harness.claim("c-1", undefined, { state: "PodMissing", attempts, message: "pods were not created" });
    await seconds(1);
    expect(harness.reports("Checkpoint")).toEqual(["Warning RestorePodMissing: pods were not created"]);
    await seconds(600);
    expect(harness.reports("Checkpoint")).toHaveLength(1);
  });

  test("that pods of one name take over again and again, without being created, is reported", async () => {
    await harness.lead();
    for (let index = 0; index < 8; index++) {
      harness.claim(`c-${index}`, "web-0");
      await seconds(10);
    }
    expect(harness.restore).toMatchObject({ claim: "c-7" });
    expect(harness.reports("Checkpoint")).toEqual([
      expect.stringMatching(/^Warning RestorePodMissing: pod web-0 was admitted/),
    ]);
  });

  test("that was removed and returns is kept for the whole time again", async () => {
    harness.claim();
    await harness.lead();
    await seconds(60);
    harness.edit((status) => delete status["restore"]);
    await seconds(60);
    harness.claim();
    await seconds(60);
    expect(harness.restore).toBeDefined();
    await seconds(6);
    expect(harness.restore).toBeUndefined();
  });

  test("is kept if only the watch misses its pod", async () => {
    harness.claim();
    await harness.lead();
    // The watch is stalled and lists fail: the cache never receives the pod.
    harness.api.before = ({ method, path, query }) => {
      if (path.startsWith("/api/v1/") && (method === "WATCH" || query["limit"] !== undefined))
        throw new Error("cut");
    };
    const dead = harness.api.watches.filter(({ target }) => target.collection === "/api/v1/pods");
    expect(dead).toHaveLength(2);
    for (const watch of dead) watch.stall();
    harness.pod();
    await seconds(120);
    expect(harness.restore).toMatchObject({ state: "Claimed", claim: "c-1" });
  });

  test.each<[string, Status | undefined, string | undefined]>([
    ["had not started is released", waiting("ContainerCreating"), undefined],
    ["could not start is released", waiting("CrashLoopBackOff", { lastState: START_ERROR }), undefined],
    ["had exited without a report is recorded as unknown", { state: ended(0), restartCount: 0 }, "Unknown"],
  ])("of a deleted pod that %s", async (_, status, state) => {
    harness.claim();
    await harness.lead();
    harness.pod({ status });
    await seconds(1);
    harness.api.remove(`${PODS}/web-0`);
    await seconds(10);
    expect(harness.restore?.["state"]).toBe(state);
  });

  test("of a pod that was deleted unobserved is recorded as unknown", async () => {
    harness.claim("c-1", "web-0");
    harness.edit((status) => Object.assign(status["restore"] as Status, { podUID: "gone" }));
    await harness.lead();
    await seconds(10);
    expect(harness.restore).toMatchObject({ state: "Unknown" });
  });

  test("of a deleted pod is taken over by the pod of the same name", async () => {
    harness.claim("c-1", "web-0");
    harness.edit((status) => Object.assign(status["restore"] as Status, { podUID: "gone" }));
    await harness.lead();
    // Admission of the new pod.
    harness.claim("c-2", "web-0");
    const { uid } = harness.pod({ claim: "c-2" }).metadata;
    await seconds(2);
    expect(harness.restore).toMatchObject({ state: "Claimed", claim: "c-2", podUID: uid });
  });
});
