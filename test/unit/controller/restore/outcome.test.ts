/** Outcomes of restores, with the controllers of the leader. */
import { ended, PODS, running, seconds, startError, waiting, Harness, type Status } from "./harness";

let harness: Harness;
beforeEach(() => {
  jest.useFakeTimers({ doNotFake: ["nextTick", "queueMicrotask"] });
  harness = new Harness();
});
afterEach(async () => {
  await harness.end();
  jest.useRealTimers();
});

test("binds the claim to the restored pod and reports the restore once", async () => {
  harness.claim();
  await harness.lead();
  const { uid } = harness.pod().metadata;
  await seconds(1);
  expect(harness.restore).toMatchObject({ state: "Claimed", claim: "c-1", podName: "web-0", podUID: uid });
  harness.setStatus(running, "Running");
  await seconds(1);
  expect(harness.restore).toMatchObject({ state: "Restored", podUID: uid });
  harness.setStatus({ ...running, ready: true }, "Running");
  await seconds(600);
  expect(harness.reports()).toEqual(["Normal Restored: resumed from Checkpoint before"]);
  expect(harness.reports("Checkpoint")).toEqual([
    "Normal Restored: pod web-0 resumed from Checkpoint before",
  ]);
  expect(harness.imageOf()).toBe("log:1,checkpoint");
});

test.each<[string, Status, number, string]>([
  [
    "criu fails repeatedly",
    waiting("CrashLoopBackOff", "", { lastState: startError, restartCount: 2 }),
    0,
    "StartError: criu failed",
  ],
  [
    "the container cannot be created",
    waiting("CreateContainerError", "no base image"),
    60,
    "CreateContainerError: no base image",
  ],
  [
    "the container cannot be started",
    waiting("RunContainerError", "criu failed"),
    60,
    "RunContainerError: criu failed",
  ],
  ["the image does not exist", waiting("ImagePullBackOff", "not found"), 180, "ImagePullBackOff: not found"],
  [
    "the restored process fails repeatedly",
    waiting("CrashLoopBackOff", "", { lastState: ended(1), restartCount: 3 }),
    0,
    "it resumed from the checkpoint and exited with code 1, 3 times",
  ],
])("resets the pod to its original image and marks the Checkpoint if %s", async (_, status, after, why) => {
  harness.claim();
  await harness.lead();
  harness.pod({ status });
  await seconds(Math.max(1, after - 2));
  const early = { image: harness.imageOf(), state: harness.restore?.["state"] };
  expect(early).toEqual(
    after > 0 ? { image: "log:1,checkpoint", state: "Claimed" } : { image: "log:1,app:1", state: "Failed" },
  );
  await seconds(3);
  expect(harness.imageOf()).toBe("log:1,app:1");
  expect(harness.restore).toMatchObject({ state: "Failed", message: `container app: ${why}` });
  await seconds(300);
  expect(harness.reports()).toEqual([
    `Warning RestoreFellBack: restore from Checkpoint before failed: container app: ${why}. It starts fresh`,
  ]);
  expect(harness.api.writes.filter(({ path }) => path.startsWith(PODS))).toHaveLength(1);
});

test.each<[string, Status]>([
  ["is being created", waiting("ContainerCreating")],
  ["misses a ConfigMap", waiting("CreateContainerConfigError", "no configmap")],
  ["is restarted after it exited", waiting("CrashLoopBackOff", "", { lastState: ended(1), restartCount: 2 })],
  ["succeeds repeatedly", waiting("CrashLoopBackOff", "", { lastState: ended(0), restartCount: 9 })],
])("does not reset a container that %s", async (_, status) => {
  harness.claim();
  await harness.lead();
  harness.pod({ status });
  await seconds(600);
  expect(harness.imageOf()).toBe("log:1,checkpoint");
  expect(harness.restore?.["state"]).not.toBe("Failed");
});

test("a transient error is no failure, and restarts the grace period", async () => {
  harness.claim();
  await harness.lead();
  harness.pod({ status: waiting("ErrImagePull") });
  await seconds(170);
  harness.setStatus(waiting("ContainerCreating"));
  await seconds(5);
  harness.setStatus(waiting("ErrImagePull"));
  await seconds(170);
  expect(harness.imageOf()).toBe("log:1,checkpoint");
  harness.setStatus(running, "Running");
  await seconds(5);
  expect(harness.restore).toMatchObject({ state: "Restored" });
});

test("marks the Checkpoint of a pod in phase Failed, so that the next pod starts fresh", async () => {
  harness.claim();
  await harness.lead();
  harness.pod({
    status: { state: startError, restartCount: 0 },
    phase: "Failed",
    spec: { restartPolicy: "Never" },
  });
  await seconds(1);
  expect(harness.restore).toMatchObject({ state: "Failed" });
  expect(harness.reports()).toEqual([
    "Warning RestoreFailed: restore from Checkpoint before failed: container app: StartError: criu failed. The next pod of its owner starts fresh",
  ]);
});

test("does not change the pod with fallback stop, and reports the remedy", async () => {
  harness.claim();
  await harness.lead();
  harness.pod({
    status: waiting("CreateContainerError"),
    annotations: { "cedana.ai/restore-fallback": "stop" },
  });
  await seconds(300);
  expect(harness.imageOf()).toBe("log:1,checkpoint");
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
  harness.pod({ status: waiting("CrashLoopBackOff", "", { lastState: startError, restartCount: 2 }) });
  await seconds(1);
  expect(harness.restore).toMatchObject({ state: "Failed" });
  expect(harness.imageOf()).toBe("log:1,checkpoint");
  await harness.end();
  delete harness.api.before;
  const before = harness;
  harness = Object.assign(new Harness(), { api: before.api });
  await harness.lead();
  await seconds(1);
  expect(harness.imageOf()).toBe("log:1,app:1");
});

test("resets a pod whose Checkpoint is claimed by another one", async () => {
  harness.claim("c-2");
  await harness.lead();
  const { uid } = harness.pod({ name: "api-2", claim: "c-2" }).metadata;
  await seconds(1);
  harness.pod({ name: "api-1", claim: "c-1" });
  await seconds(2);
  expect(harness.imageOf("api-1")).toBe("log:1,app:1");
  expect(harness.imageOf("api-2")).toBe("log:1,checkpoint");
  expect(harness.restore).toMatchObject({ state: "Claimed", podUID: uid });
  expect(harness.reports()).toEqual([
    "Warning RestoreClaimLost: Checkpoint before was claimed by another pod. It starts fresh",
  ]);
});

test("pods that share a Checkpoint claim nothing, and one failure marks it for all", async () => {
  await harness.lead();
  const shared = { "cedana.ai/restore-shared": "true" };
  harness.pod({ name: "a", annotations: shared, status: running, phase: "Running" });
  harness.pod({ name: "b", annotations: shared, status: running, phase: "Running" });
  await seconds(1);
  expect(harness.restore).toBeUndefined();
  expect(harness.reports()).toHaveLength(2);
  harness.pod({ name: "c", annotations: shared, status: waiting("CreateContainerError") });
  await seconds(70);
  expect(harness.imageOf("c")).toBe("log:1,app:1");
  expect(harness.imageOf("a")).toBe("log:1,checkpoint");
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
    expect(dead).toHaveLength(1);
    for (const watch of dead) watch.stall();
    harness.pod();
    await seconds(120);
    expect(harness.restore).toMatchObject({ state: "Claimed", claim: "c-1" });
  });

  test.each<[string, Status | undefined, string | undefined]>([
    ["had not started is released", waiting("ContainerCreating"), undefined],
    ["could not start is released", waiting("CrashLoopBackOff", "", { lastState: startError }), undefined],
    ["had exited is recorded as restored", { state: ended(0), restartCount: 0 }, "Restored"],
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
    const { uid } = harness.pod({ claim: "c-2" }).metadata;
    await harness.lead();
    await seconds(2);
    expect(harness.restore).toMatchObject({ state: "Claimed", claim: "c-2", podUID: uid });
  });
});
