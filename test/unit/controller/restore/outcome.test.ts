/** What comes of restores: the part as the leader runs it. */
import { ended, PODS, running, seconds, startError, waiting, World, type Status } from "./world";

let world: World;
beforeEach(() => {
  jest.useFakeTimers({ doNotFake: ["nextTick", "queueMicrotask"] });
  world = new World();
});
afterEach(async () => {
  await world.end();
  jest.useRealTimers();
});

test("a pod that goes on from its Checkpoint: the claim is tied to it, then it is told, once", async () => {
  world.claim();
  await world.lead();
  const { uid } = world.pod().metadata;
  await seconds(1);
  expect(world.restore).toMatchObject({ state: "Claimed", claim: "c-1", podName: "web-0", podUID: uid });
  world.say(running, "Running");
  await seconds(1);
  expect(world.restore).toMatchObject({ state: "Restored", podUID: uid });
  world.say({ ...running, ready: true }, "Running");
  await seconds(600);
  expect(world.told()).toEqual(["Normal Restored: goes on from Checkpoint before"]);
  expect(world.told("Checkpoint")).toEqual(["Normal Restored: pod web-0 goes on from Checkpoint before"]);
  expect(world.imageOf()).toBe("log:1,checkpoint");
});

test.each<[string, Status, number, string]>([
  [
    "criu fails, again and again",
    waiting("CrashLoopBackOff", "", { lastState: startError, restartCount: 2 }),
    0,
    "StartError: criu failed",
  ],
  [
    "the container is not created",
    waiting("CreateContainerError", "no base image"),
    60,
    "CreateContainerError: no base image",
  ],
  [
    "the container is not run",
    waiting("RunContainerError", "criu failed"),
    60,
    "RunContainerError: criu failed",
  ],
  ["the image is not there", waiting("ImagePullBackOff", "not found"), 180, "ImagePullBackOff: not found"],
  [
    "it goes on and fails, again and again",
    waiting("CrashLoopBackOff", "", { lastState: ended(1), restartCount: 3 }),
    0,
    "it went on from the checkpoint and ended with code 1, 3 times",
  ],
])(
  "%s: the pod is put back to its own image, and nothing is restored from the Checkpoint again",
  async (_, status, after, why) => {
    world.claim();
    await world.lead();
    world.pod({ status });
    await seconds(Math.max(1, after - 2));
    const early = { image: world.imageOf(), state: world.restore?.["state"] };
    expect(early).toEqual(
      after > 0 ? { image: "log:1,checkpoint", state: "Claimed" } : { image: "log:1,app:1", state: "Failed" },
    );
    await seconds(3);
    expect(world.imageOf()).toBe("log:1,app:1");
    expect(world.restore).toMatchObject({ state: "Failed", message: `container app: ${why}` });
    await seconds(300);
    expect(world.told()).toEqual([
      `Warning RestoreFellBack: not restored from Checkpoint before: container app: ${why}. It starts fresh`,
    ]);
    expect(world.api.writes.filter(({ path }) => path.startsWith(PODS))).toHaveLength(1);
  },
);

test.each<[string, Status]>([
  ["is created", waiting("ContainerCreating")],
  ["misses a ConfigMap, which it would fresh as well", waiting("CreateContainerConfigError", "no configmap")],
  [
    "is started again after an end of its own",
    waiting("CrashLoopBackOff", "", { lastState: ended(1), restartCount: 2 }),
  ],
  ["succeeds again and again", waiting("CrashLoopBackOff", "", { lastState: ended(0), restartCount: 9 })],
])("a container that %s is left alone", async (_, status) => {
  world.claim();
  await world.lead();
  world.pod({ status });
  await seconds(600);
  expect(world.imageOf()).toBe("log:1,checkpoint");
  expect(world.restore?.["state"]).not.toBe("Failed");
});

test("trouble that passes is no failure: its time begins anew", async () => {
  world.claim();
  await world.lead();
  world.pod({ status: waiting("ErrImagePull") });
  await seconds(170);
  world.say(waiting("ContainerCreating"));
  await seconds(5);
  world.say(waiting("ErrImagePull"));
  await seconds(170);
  expect(world.imageOf()).toBe("log:1,checkpoint");
  world.say(running, "Running");
  await seconds(5);
  expect(world.restore).toMatchObject({ state: "Restored" });
});

test("a pod that has failed cannot be put back: the Checkpoint is marked, so that the next pod starts fresh", async () => {
  world.claim();
  await world.lead();
  world.pod({
    status: { state: startError, restartCount: 0 },
    phase: "Failed",
    spec: { restartPolicy: "Never" },
  });
  await seconds(1);
  expect(world.restore).toMatchObject({ state: "Failed" });
  expect(world.told()).toEqual([
    "Warning RestoreFailed: not restored from Checkpoint before: container app: StartError: criu failed. The next pod of its owner starts fresh",
  ]);
});

test("stop: the pod is left, and the event says how to go on", async () => {
  world.claim();
  await world.lead();
  world.pod({
    status: waiting("CreateContainerError"),
    annotations: { "cedana.ai/restore-fallback": "stop" },
  });
  await seconds(300);
  expect(world.imageOf()).toBe("log:1,checkpoint");
  expect(world.restore).toMatchObject({ state: "Failed" });
  expect(world.told()).toHaveLength(1);
  expect(world.told()[0]).toMatch(/left as it is .*To start it fresh, .*; to try again, take status.restore/);
});

test("a fallback that was cut short is gone on with by the next leader", async () => {
  world.claim();
  world.api.before = ({ method, path }) => {
    if (method === "PATCH" && path.startsWith(PODS)) throw new Error("cut");
  };
  await world.lead();
  world.pod({ status: waiting("CrashLoopBackOff", "", { lastState: startError, restartCount: 2 }) });
  await seconds(1);
  expect(world.restore).toMatchObject({ state: "Failed" });
  expect(world.imageOf()).toBe("log:1,checkpoint");
  await world.end();
  delete world.api.before;
  const before = world;
  world = Object.assign(new World(), { api: before.api });
  await world.lead();
  await seconds(1);
  expect(world.imageOf()).toBe("log:1,app:1");
});

test("a pod whose claim is another's is put back, though its Checkpoint is good", async () => {
  world.claim("c-2");
  await world.lead();
  const { uid } = world.pod({ name: "api-2", claim: "c-2" }).metadata;
  await seconds(1);
  world.pod({ name: "api-1", claim: "c-1" });
  await seconds(2);
  expect(world.imageOf("api-1")).toBe("log:1,app:1");
  expect(world.imageOf("api-2")).toBe("log:1,checkpoint");
  expect(world.restore).toMatchObject({ state: "Claimed", podUID: uid });
  expect(world.told()).toEqual([
    "Warning RestoreClaimLost: Checkpoint before was given to another pod meanwhile. It starts fresh",
  ]);
});

test("pods that share a Checkpoint claim nothing; one failure is enough for all", async () => {
  await world.lead();
  const shared = { "cedana.ai/restore-shared": "true" };
  world.pod({ name: "a", annotations: shared, status: running, phase: "Running" });
  world.pod({ name: "b", annotations: shared, status: running, phase: "Running" });
  await seconds(1);
  expect(world.restore).toBeUndefined();
  expect(world.told()).toHaveLength(2);
  world.pod({ name: "c", annotations: shared, status: waiting("CreateContainerError") });
  await seconds(70);
  expect(world.imageOf("c")).toBe("log:1,app:1");
  expect(world.imageOf("a")).toBe("log:1,checkpoint");
  expect(world.restore).toMatchObject({ state: "Failed", podName: "c" });
});

test("a pod that starts fresh is told of, if that is news", async () => {
  await world.lead();
  const skipped = { "cedana.ai/restore-skipped": "there is no Checkpoint x in the namespace" };
  for (const [name, minutes] of [
    ["new", 0],
    ["old", 10],
  ] as const)
    world.api.put(PODS, {
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
  expect(world.events.map(({ regarding, reason, note }) => `${regarding.name} ${reason}: ${note}`)).toEqual([
    "new RestoreSkipped: starts fresh: there is no Checkpoint x in the namespace",
  ]);
});

describe("claims", () => {
  test("one of which no pod came is released after the API server has given up, not before", async () => {
    world.claim();
    await world.lead();
    await seconds(64);
    expect(world.restore).toBeDefined();
    await seconds(2);
    expect(world.restore).toBeUndefined();
  });

  test("one whose pod the watch has not told of is kept", async () => {
    world.claim();
    await world.lead();
    // Its watch is dead, and it cannot list: it does not learn of the pod.
    world.api.before = ({ method, path, query }) => {
      if (path.startsWith("/api/v1/") && (method === "WATCH" || query["limit"] !== undefined))
        throw new Error("cut");
    };
    const dead = world.api.watches.filter(({ target }) => target.collection === "/api/v1/pods");
    expect(dead).toHaveLength(1);
    for (const watch of dead) watch.stall();
    world.pod();
    await seconds(120);
    expect(world.restore).toMatchObject({ state: "Claimed", claim: "c-1" });
  });

  test.each<[string, Status | undefined, string | undefined]>([
    ["had not begun: the Checkpoint is free again", waiting("ContainerCreating"), undefined],
    ["could not begin: free again", waiting("CrashLoopBackOff", "", { lastState: startError }), undefined],
    ["had ended: it was restored", { state: ended(0), restartCount: 0 }, "Restored"],
  ])("of a pod that is gone and %s", async (_, status, state) => {
    world.claim();
    await world.lead();
    world.pod({ status });
    await seconds(1);
    world.api.remove(`${PODS}/web-0`);
    await seconds(10);
    expect(world.restore?.["state"]).toBe(state);
  });

  test("of a pod that was gone before anybody looked: nothing is restored from it again", async () => {
    world.claim("c-1", "web-0");
    world.edit((status) => Object.assign(status["restore"] as Status, { podUID: "gone" }));
    await world.lead();
    await seconds(10);
    expect(world.restore).toMatchObject({ state: "Unknown" });
  });

  test("the pod of the same name takes the claim of one that is gone", async () => {
    world.claim("c-1", "web-0");
    world.edit((status) => Object.assign(status["restore"] as Status, { podUID: "gone" }));
    const { uid } = world.pod({ claim: "c-2" }).metadata;
    await world.lead();
    await seconds(2);
    expect(world.restore).toMatchObject({ state: "Claimed", claim: "c-2", podUID: uid });
  });
});
