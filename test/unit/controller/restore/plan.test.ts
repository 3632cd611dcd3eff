/** Restores by a plan on the node: requests to the agents, and what their reports do to claims and pods. */
import type { NodeRestoreReason } from "../../../../api";
import { CHECKPOINTS, CRIU, ended, Harness, PODS, REQUESTS, running, seconds, type Status } from "./harness";
import { checkpointJson, digest, saved } from "./support";

/** Returns the number of NodeRestores that were created. */
const creates = () =>
  harness.api.writes.filter(({ method, path }) => method === "POST" && path === REQUESTS).length;

let harness: Harness;
beforeEach(() => {
  jest.useFakeTimers({ doNotFake: ["nextTick", "queueMicrotask"] });
  harness = new Harness();
});
afterEach(async () => {
  await harness.end();
  jest.useRealTimers();
});

test("requests the restore from the agent of the node, once the pod has one, and records it", async () => {
  harness.claim();
  await harness.lead();
  const { uid } = harness.pod({ nodeName: "" }).metadata;
  await seconds(2);
  expect(harness.restore).toMatchObject({ state: "Claimed", podUID: uid });
  expect(harness.request(uid)).toBeUndefined();
  harness.api.edit(`${PODS}/web-0`, (pod) =>
    Object.assign((pod as Status)["spec"] as Status, { nodeName: "n1" }),
  );
  await seconds(1);
  expect(harness.request(uid)).toMatchObject({
    metadata: { labels: { "automation.cedana.ai/node": "n1" } },
    spec: {
      nodeName: "n1",
      podRef: { namespace: "team-a", name: "web-0", uid },
      checkpointUID: harness.annotations()["cedana.ai/restore-plan"],
      image: digest("pod"),
      fallback: "fresh",
      restart: "fresh",
      lazy: false,
      timeoutSeconds: 300,
    },
  });
  harness.report(uid, "PlanReady");
  await seconds(1);
  expect(harness.restore).toMatchObject({ state: "Claimed" });
  harness.report(uid, "Restored");
  harness.setStatus(running, "Running");
  await seconds(600);
  expect(harness.restore).toMatchObject({ state: "Restored", podUID: uid });
  expect(harness.reports()).toEqual(["Normal Restored: resumed from Checkpoint before"]);
  expect(harness.reports("Checkpoint")).toEqual([
    "Normal Restored: pod web-0 resumed from Checkpoint before",
  ]);
  expect(harness.isPlanned()).toBe(true);
  expect(creates()).toBe(1);
});

test("requests the artifact of a Checkpoint from a backup by the UID that it was taken with", async () => {
  harness.api.edit(`${CHECKPOINTS}/before`, (object) => {
    object["record"] = { checkpointUID: "first-uid", result: object["status"] };
  });
  harness.claim();
  await harness.lead();
  const { uid } = harness.pod().metadata;
  await seconds(2);
  expect(harness.request(uid)).toMatchObject({ spec: { checkpointUID: "first-uid", image: digest("pod") } });
});

test("a pod that started fresh marks the Checkpoint and no longer announces a plan", async () => {
  harness.claim();
  await harness.lead();
  const { uid } = harness.pod().metadata;
  await seconds(1);
  harness.report(uid, "StartedFresh", "the processor lacks avx2");
  harness.setStatus(running, "Running");
  await seconds(2);
  expect(harness.restore).toMatchObject({ state: "Failed", message: "the processor lacks avx2" });
  expect(harness.isPlanned()).toBe(false);
  expect(harness.annotations()).toHaveProperty(["cedana.ai/restore-failed"], "the processor lacks avx2");
  const text =
    "Warning RestoreFellBack: restore from Checkpoint before failed: the processor lacks avx2. It starts fresh";
  expect(harness.reports()).toEqual([text]);
  // The next leader does not report it again.
  await harness.end();
  harness = Object.assign(new Harness(), { api: harness.api });
  await harness.lead();
  await seconds(100);
  expect(harness.reports()).toEqual([]);
});

test("with fallback stop the pod is not changed, and the event has the remedy", async () => {
  harness.claim();
  await harness.lead();
  const { uid } = harness.pod({ annotations: { "cedana.ai/restore-fallback": "stop" } }).metadata;
  await seconds(1);
  expect(harness.request(uid)).toMatchObject({ spec: { fallback: "stop" } });
  harness.report(uid, "RestoreFailed", "CRIU failed");
  await seconds(2);
  expect(harness.restore).toMatchObject({ state: "Failed", message: "CRIU failed" });
  expect(harness.isPlanned()).toBe(true);
  expect(harness.reports()[0]).toMatch(/^Warning RestoreFailed: .* CRIU failed\. The pod is not changed/);
});

test("a pod that runs without a report makes the outcome unknown; a late report corrects it", async () => {
  harness.claim();
  await harness.lead();
  const { uid } = harness.pod().metadata;
  await seconds(600);
  expect(harness.restore).toMatchObject({ state: "Claimed" });
  harness.setStatus(running, "Running");
  await seconds(58);
  expect(harness.restore).toMatchObject({ state: "Claimed" });
  await seconds(4);
  const why = "it runs, but the agent of node n1 did not report the outcome";
  expect(harness.restore).toMatchObject({ state: "Unknown", message: why, podUID: uid });
  expect(harness.reports()).toEqual([
    `Warning RestoreOutcomeUnknown: whether it resumed from Checkpoint before is unknown: ${why}`,
  ]);
  harness.report(uid, "Restored");
  await seconds(1);
  expect(harness.restore).toMatchObject({ state: "Restored" });
});

test("does not request a restore for a pod whose Checkpoint another one has claimed", async () => {
  harness.claim("c-2");
  await harness.lead();
  const { uid } = harness.pod({ name: "api-2", claim: "c-2" }).metadata;
  await seconds(1);
  const other = harness.pod({ name: "api-1", claim: "c-1" }).metadata.uid;
  await seconds(2);
  expect(harness.request(uid)).toBeDefined();
  expect(harness.request(other)).toBeUndefined();
  expect(harness.isPlanned("api-1")).toBe(false);
  expect(harness.isPlanned("api-2")).toBe(true);
  expect(harness.reports()).toEqual([
    "Warning RestoreClaimLost: Checkpoint before was claimed by another pod. It starts fresh",
  ]);
});

test("pods that share a Checkpoint each get a request", async () => {
  await harness.lead();
  const annotations = { "cedana.ai/restore-shared": "true" };
  const uids = ["a", "b"].map((name) => harness.pod({ name, annotations }).metadata.uid);
  await seconds(1);
  expect(uids.map((uid) => harness.request(uid) !== undefined)).toEqual([true, true]);
  expect(harness.restore).toBeUndefined();
});

test("a Checkpoint that is deleted before the request lets the pod start fresh at once", async () => {
  harness.claim();
  await harness.lead();
  harness.pod({ nodeName: "" });
  await seconds(1);
  harness.api.remove("/apis/automation.cedana.ai/v1alpha1/namespaces/team-a/checkpoints/before");
  await seconds(2);
  expect(harness.isPlanned()).toBe(false);
  expect(harness.reports()).toEqual([
    "Warning RestoreFellBack: restore from Checkpoint before failed: the Checkpoint was deleted before the restore was prepared. It starts fresh",
  ]);
});

test("a pod whose Checkpoint is new waits until the watch reports it", async () => {
  const { metadata, ...before } = harness.api.get(`${CHECKPOINTS}/before`)!;
  harness.api.remove(`${CHECKPOINTS}/before`);
  await harness.lead();
  const watches = harness.api.watches.filter(({ target }) => target.collection.endsWith("/checkpoints"));
  expect(watches).toHaveLength(1);
  watches[0]!.stall();
  harness.api.put(CHECKPOINTS, {
    ...before,
    metadata: { name: metadata.name, namespace: "team-a" },
  });
  harness.claim();
  const { uid } = harness.pod().metadata;
  await seconds(20);
  expect(harness.isPlanned()).toBe(true);
  expect(harness.reports()).toEqual([]);
  watches[0]!.end();
  await seconds(20);
  expect(harness.request(uid)).toBeDefined();
});

test("with restart: again a process that fails repeatedly starts fresh", async () => {
  await harness.end();
  harness = new Harness({ ...CRIU, restore: { restart: "again", lazy: true, timeoutSeconds: 60 } });
  harness.claim();
  await harness.lead();
  const { uid } = harness.pod().metadata;
  await seconds(1);
  expect(harness.request(uid)).toMatchObject({ spec: { restart: "again", lazy: true, timeoutSeconds: 60 } });
  harness.report(uid, "Restored");
  harness.setStatus(running, "Running");
  await seconds(1);
  expect(harness.restore).toMatchObject({ state: "Restored" });
  const crashing = { state: { waiting: { reason: "CrashLoopBackOff" } }, lastState: ended(1) };
  harness.setStatus({ ...crashing, restartCount: 2 }, "Running");
  await seconds(1);
  expect(harness.restore).toMatchObject({ state: "Restored" });
  harness.setStatus({ ...crashing, restartCount: 3 }, "Running");
  await seconds(1);
  expect(harness.restore).toMatchObject({
    state: "Failed",
    message: "container app: it resumed from the checkpoint and exited with code 1, 3 times",
  });
  expect(harness.isPlanned()).toBe(false);
});

test.each([
  ["a newer Checkpoint of the pod begins the count again", {}, "Restored"],
  ["a Checkpoint of another pod does not", { podUID: "uid-of-another" }, "Failed"],
  ["one that failed does not", { status: { conditions: [] } }, "Failed"],
  [
    "one without a restored container does not",
    { containers: [saved("other", { restartCount: 2 })] },
    "Failed",
  ],
])("with restart: again %s", async (_, given, state) => {
  await harness.end();
  harness = new Harness({ ...CRIU, restore: { restart: "again", lazy: false, timeoutSeconds: 60 } });
  harness.claim();
  await harness.lead();
  const { uid } = harness.pod().metadata;
  await seconds(1);
  harness.report(uid, "Restored");
  const crashing = { state: { waiting: { reason: "CrashLoopBackOff" } }, lastState: ended(1) };
  harness.setStatus({ ...crashing, restartCount: 2 }, "Running");
  await seconds(1);
  const containers = [saved("app", { restartCount: 2 })];
  harness.api.put(CHECKPOINTS, checkpointJson({ name: "newer", podUID: uid, containers, ...given }));
  for (const restartCount of [3, 4]) {
    harness.setStatus({ ...crashing, restartCount }, "Running");
    await seconds(1);
    expect(harness.restore).toMatchObject({ state });
  }
  harness.setStatus({ ...crashing, restartCount: 5 }, "Running");
  await seconds(1);
  expect(harness.restore).toMatchObject({
    state: "Failed",
    message: expect.stringMatching(/exited with code 1, 3 times$/),
  });
  expect(harness.isPlanned()).toBe(false);
});

describe("the NodeRestore", () => {
  test.each<[string, Status | undefined, string | undefined]>([
    ["had not started releases the claim", undefined, undefined],
    ["had started, maybe without the checkpoint, makes the outcome unknown", running, "Unknown"],
  ])("is deleted after the pod; one that %s", async (_, status, state) => {
    harness.claim();
    await harness.lead();
    const { uid } = harness.pod({ status }).metadata;
    await seconds(1);
    expect(harness.request(uid)).toBeDefined();
    harness.api.remove(`${PODS}/web-0`);
    await seconds(10);
    expect(harness.request(uid)).toBeUndefined();
    expect(harness.restore?.["state"]).toBe(state);
  });

  test("of a pod that was deleted without a leader is deleted, but not that of a namespace it does not serve", async () => {
    const request = (name: string, namespace: string) =>
      harness.api.put(REQUESTS, {
        metadata: { name, namespace: "cedana-agents" },
        spec: { nodeName: "n1", podRef: { namespace, name: "web-9", uid: name } },
      } as never);
    request("gone", "team-a");
    request("foreign", "team-b");
    await harness.lead();
    await seconds(5);
    expect(harness.request("gone")).toBeUndefined();
    expect(harness.request("foreign")).toBeDefined();
  });

  test("of an earlier pod is deleted, and the pod of the same name gets its own", async () => {
    harness.claim();
    await harness.lead();
    const first = harness.pod().metadata.uid;
    await seconds(1);
    harness.api.remove(`${PODS}/web-0`);
    const second = harness.pod().metadata.uid;
    await seconds(3);
    expect(second).not.toBe(first);
    expect(harness.request(first)).toBeUndefined();
    expect(harness.request(second)).toBeDefined();
    expect(harness.restore).toMatchObject({ state: "Claimed", podUID: second });
  });

  test.each([
    ["holds the claim", {}],
    ["shares the Checkpoint", { "cedana.ai/restore-shared": "true" }],
  ])(
    "of a pod that ended and %s is deleted some time after the outcome, and not created again",
    async (_, annotations) => {
      if (!("cedana.ai/restore-shared" in annotations)) harness.claim();
      await harness.lead();
      const { uid } = harness.pod({ annotations }).metadata;
      await seconds(1);
      harness.report(uid, "Restored");
      harness.setStatus({ state: ended(0), restartCount: 0 }, "Succeeded");
      await seconds(290);
      expect(harness.request(uid)).toBeDefined();
      await seconds(20);
      expect(harness.request(uid)).toBeUndefined();
      await harness.end();
      harness = Object.assign(new Harness(), { api: harness.api, events: harness.events });
      await harness.lead();
      await seconds(600);
      expect(creates()).toBe(1);
      expect(new Set(harness.reports())).toEqual(
        new Set(["Normal Restored: resumed from Checkpoint before"]),
      );
    },
  );

  test("is created although requests of the leader are cut off for a while", async () => {
    harness.claim();
    let left = 4;
    harness.api.before = ({ method, path }) => {
      if (method === "POST" && path === REQUESTS && left-- > 0) throw new Error("cut");
    };
    await harness.lead();
    const { uid } = harness.pod().metadata;
    await seconds(120);
    expect(harness.request(uid)).toBeDefined();
    expect(left).toBeLessThan(0);
  });
});

/**
 * Restores one pod with this outcome and deletes it, with a leader that crashes at its write of this number: the write is
 * executed and its response lost. Then another one leads.
 */
async function restoreWithCrashAt(step: number, outcome: NodeRestoreReason): Promise<{ crashed: boolean }> {
  const { api } = harness;
  let writes = 0;
  let crashed = false;
  let dead = false;
  api.before = () => {
    if (dead) throw new Error("the process is dead");
  };
  api.after = ({ method }) => {
    if (method === "GET" || method === "WATCH" || crashed || ++writes < step) return;
    crashed = dead = true;
    throw new Error("the response is lost");
  };
  const survive = async () => {
    await seconds(3);
    if (!dead) return;
    await harness.end();
    dead = false;
    harness = Object.assign(new Harness(), { api });
    await harness.lead();
    await seconds(3);
  };
  harness.claim();
  await harness.lead();
  const { uid } = harness.pod().metadata;
  await survive();
  expect([step, harness.request(uid)?.["spec"]]).toEqual([step, expect.objectContaining({ nodeName: "n1" })]);
  harness.report(uid, outcome);
  harness.setStatus(running, "Running");
  await survive();
  const state = outcome === "Restored" ? "Restored" : "Failed";
  expect([step, harness.restore?.["state"]]).toEqual([step, state]);
  expect([step, harness.isPlanned()]).toEqual([step, outcome === "Restored"]);
  api.remove(`${PODS}/web-0`);
  await survive();
  expect([step, harness.request(uid)]).toEqual([step, undefined]);
  expect([step, harness.restore?.["state"]]).toEqual([step, state]);
  return { crashed };
}

test.each<[NodeRestoreReason, number]>([
  ["Restored", 4],
  ["StartedFresh", 5],
])(
  "after a crash at any write the next leader completes a restore that ends as %s",
  async (outcome, writes) => {
    let step = 1;
    for (; (await restoreWithCrashAt(step, outcome)).crashed; step++) {
      await harness.end();
      harness = new Harness();
    }
    expect(step - 1).toBe(writes);
  },
);
