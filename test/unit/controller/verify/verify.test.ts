import { ApiError } from "../../../../kube";
import { seconds, START, VerifyWorld } from "./world";

let world: VerifyWorld;
const open = (settings: object = {}) => (world = new VerifyWorld(settings));

beforeEach(() => jest.useFakeTimers({ now: START }));
afterEach(async () => {
  await world.end();
  jest.useRealTimers();
});

test("the newest Checkpoint of the pod is restored in a sandbox pod, which is deleted; Checkpoint and policy have the outcome", async () => {
  open();
  world.request();
  world.start();
  await seconds(5);
  expect(world.sandboxes).toEqual([expect.stringMatching(/^verify-web-0-[0-9a-f]{12}$/)]);
  expect(world.checkpoint.lastVerified).toBeUndefined();
  await seconds(60);
  expect(world.sandboxes).toEqual([]);
  const { uid, name } = world.created[0]?.metadata ?? {};
  expect(world.checkpoint.lastVerified).toMatchObject({
    outcome: "Verified",
    reason: "Running",
    podUID: uid,
    podName: name,
    nodeName: "n1",
  });
  expect(world.policyStatus()["lastVerified"]).toMatchObject({
    outcome: "Verified",
    namespace: "team-a",
    checkpoint: "before",
    time: world.checkpoint.lastVerified?.["time"],
  });
  expect(world.events).toMatchObject([{ type: "Normal", reason: "Verified", regarding: { name: "before" } }]);
  // It has no claim, so the pod itself can be restored from the Checkpoint.
  expect(world.checkpoint.restore).toBeUndefined();
});

test("a Checkpoint that cannot be restored has failed, with the node's reason, also in the policy", async () => {
  open();
  world.node = { type: "Failed", cause: "CheckpointInvalid", message: "layer sha256:1 differs" };
  world.request();
  world.start();
  await seconds(20);
  expect(world.sandboxes).toEqual([]);
  expect(world.checkpoint.lastVerified).toMatchObject({
    outcome: "Failed",
    reason: "CheckpointInvalid",
    message: "layer sha256:1 differs",
  });
  expect(world.checkpoint.restore).toBeUndefined();
  expect(world.policyStatus().lastFailures).toMatchObject([
    {
      namespace: "team-a",
      pod: "web-0",
      reason: "CheckpointInvalid",
      message: "Checkpoint before: layer sha256:1 differs",
    },
  ]);
});

test("a verification that was skipped does not replace the proof", async () => {
  open();
  world.request();
  world.start();
  await seconds(60);
  const proof = world.checkpoint.lastVerified;
  expect(proof).toMatchObject({ outcome: "Verified" });
  world.rejects = new ApiError(403, "exceeded quota: team-a", { reason: "Forbidden" });
  await seconds(60);
  world.request();
  await seconds(30);
  expect(world.created).toHaveLength(1);
  expect(world.checkpoint.lastVerified).toEqual(proof);
  const [failure] = world.policyStatus().lastFailures ?? [];
  expect(failure).toMatchObject({ reason: "Rejected" });
  expect(failure?.message).toContain("exceeded quota: team-a");
});

test.each([
  [
    "no NetworkPolicy",
    (one: VerifyWorld) =>
      one.api.remove("/apis/networking.k8s.io/v1/namespaces/team-a/networkpolicies/sandboxes"),
    "NotIsolated",
    "no NetworkPolicy sandboxes",
  ],
  [
    "another NetworkPolicy that permits traffic of all pods",
    (one: VerifyWorld) =>
      one.put("/apis/networking.k8s.io/v1/namespaces/team-a/networkpolicies", {
        metadata: { name: "dns", namespace: "team-a" },
        spec: { podSelector: {}, policyTypes: ["Egress"], egress: [{ ports: [{ port: 53 }] }] },
      }),
    "NotIsolated",
    "dns",
  ],
  [
    "a persistent volume",
    (one: VerifyWorld) =>
      one.api.edit("/api/v1/namespaces/team-a/pods/web-0", (pod) => {
        (pod["spec"] as { volumes: object[] }).volumes = [
          { name: "work", persistentVolumeClaim: { claimName: "c" } },
        ];
      }),
    "NotPossible",
    "volume work is persistent",
  ],
] as const)(
  "with %s no sandbox pod is created, and the reason is recorded",
  async (_, change, reason, message) => {
    open();
    change(world);
    world.request();
    world.start();
    await seconds(30);
    expect(world.created).toEqual([]);
    expect(world.checkpoint.lastVerified).toMatchObject({
      outcome: "Skipped",
      reason,
      message: expect.stringContaining(message) as string,
    });
  },
);

test("without a completed Checkpoint there is nothing to verify", async () => {
  open();
  world.api.remove("/apis/automation.cedana.ai/v1alpha1/namespaces/team-a/checkpoints/before");
  world.request();
  world.start();
  await seconds(30);
  expect(world.created).toEqual([]);
  expect(world.policyStatus().lastFailures).toMatchObject([{ reason: "NoCheckpoint" }]);
});

test("policies wait while maxInFlight sandbox pods exist", async () => {
  open({ maxInFlight: 1 });
  world.request({}, "first");
  world.request({}, "second");
  world.start();
  await seconds(20);
  expect(world.sandboxes).toHaveLength(1);
  await seconds(20);
  expect([world.created.length, world.sandboxes.length]).toEqual([2, 1]);
  await seconds(60);
  expect(world.sandboxes).toEqual([]);
  expect(
    [world.policyStatus("first"), world.policyStatus("second")].map(({ lastFailures }) => lastFailures),
  ).toEqual([undefined, undefined]);
});

test.each([
  ["a ResourceQuota that changed meanwhile", new ApiError(409, "please try again", { reason: "Conflict" })],
  [
    "an API server that fails",
    new ApiError(500, "etcdserver: request timed out", { reason: "InternalError" }),
  ],
])(
  "after %s, the sandbox pod is created by a further attempt, which its own room does not block",
  async (_, error) => {
    open({ maxInFlight: 1, maxRequests: { cpu: "300m" } });
    world.rejects = error;
    world.request();
    world.start();
    await seconds(20);
    expect(world.created).toEqual([]);
    expect(world.checkpoint.lastVerified).toBeUndefined();
    delete world.rejects;
    await seconds(150);
    expect(world.created).toHaveLength(1);
    expect(world.checkpoint.lastVerified).toMatchObject({ outcome: "Verified" });
  },
);

test("a pod that exceeds maxRequests is not verified; one that exceeds what is left waits", async () => {
  open({ maxRequests: { cpu: "100m" } });
  world.request();
  world.start();
  await seconds(10);
  expect(world.checkpoint.lastVerified).toMatchObject({ outcome: "Skipped", reason: "QuotaExceeded" });
  await world.end();
  open({ maxRequests: { memory: "100Mi" } });
  world.request({}, "first");
  world.request({}, "second");
  world.start();
  await seconds(20);
  expect(world.sandboxes).toHaveLength(1);
  await seconds(120);
  expect([world.created.length, world.sandboxes.length]).toEqual([2, 0]);
});

test("no policy selects a sandbox pod", async () => {
  open();
  world.request();
  world.start();
  await seconds(20);
  expect(world.sandboxes).toHaveLength(1);
  expect(world.policyStatus()["matchedPods"]).toBe(1);
});

test("a sandbox pod with settings that cannot be read is deleted", async () => {
  open();
  world.put("/api/v1/namespaces/team-a/pods", {
    metadata: { name: "verify-old", namespace: "team-a", labels: { "cedana.ai/verification": "uid" } },
    spec: { containers: [] },
  });
  world.start();
  await seconds(5);
  expect(world.api.get("/api/v1/namespaces/team-a/pods/verify-old")).toBeUndefined();
});

test("after an end between any two steps, one sandbox pod was created, and the outcome is that of the checkpoint", async () => {
  const results = [
    [{ type: "Ready" }, "Verified"],
    [{ type: "Failed", cause: "CRIUFailed", message: "no" }, "Failed"],
  ] as const;
  let moments = 0;
  for (const [node, outcome] of results) {
    for (const moment of ["before", "after"] as const) {
      for (let index = 0; ; index++) {
        jest.setSystemTime(START);
        open();
        world.node = node;
        world.request();
        let [writes, ended] = [0, false];
        const stop = world.start((_, at) => {
          if (at !== moment || writes++ !== index) return;
          ended = true;
          stop();
          throw new Error("the process ended");
        });
        await seconds(60);
        if (ended) {
          moments++;
          world.start();
          await seconds(120);
        }
        expect({ moment, index, created: world.created.length, left: world.sandboxes }).toEqual({
          moment,
          index,
          created: 1,
          left: [],
        });
        expect(world.checkpoint.lastVerified).toMatchObject({ outcome });
        expect(world.policyStatus()["lastVerified"]).toMatchObject({ outcome });
        await world.end();
        if (!ended) break;
      }
    }
  }
  // Creation of the pod, the outcome, its deletion, and statuses of the policy.
  expect(moments).toBeGreaterThanOrEqual(12);
});

test("a controller that starts after the deadline ends what the last one left", async () => {
  open();
  world.request();
  const stop = world.start();
  await seconds(10);
  stop();
  await seconds(1000);
  expect(world.sandboxes).toHaveLength(1);
  world.start();
  await seconds(10);
  expect(world.sandboxes).toEqual([]);
  expect(world.checkpoint.lastVerified).toMatchObject({ outcome: "Skipped", reason: "DeadlineExceeded" });
});
