import { ArtifactError } from "../../../../../agent/artifact";
import { NodeServiceError, type DeclineRequest } from "../../../../../clients/node-service";
import { VirtualTime } from "../../../../support/virtual-time";
import { Node, RESTORES } from "./support";

const at = (name: string) => `${RESTORES}/${name}`;

let time: VirtualTime;
let node: Node;
beforeEach(() => {
  time = new VirtualTime().install();
  node = new Node(time);
});
afterEach(() => {
  node.end();
  time.uninstall();
});

const isEmpty = () => node.model.pods.size === 0 && node.model.stagings.size === 0;

test("publishes the plan, reports the restore, and deletes the plan after the NodeRestore", async () => {
  node.restore("pod-1", { fallback: "stop", restart: "again", timeoutSeconds: 30 });
  const createdMs = Math.floor(Date.now() / 1000) * 1000;
  await node.start().ready;
  await node.until(() => node.condition(at("pod-1")) === "Progressing PlanReady");
  expect(node.model.laid).toEqual([
    {
      podUID: "pod-1",
      checkpoint: "cp",
      deadline: new Date(createdMs + 30_000),
      fallback: "fail",
      restart: "again",
      lazy: false,
    },
  ]);
  void node.model.create("pod-1");
  await node.finished(at("pod-1"));
  expect(node.condition(at("pod-1"))).toBe("Ready Restored");
  expect(node.message(at("pod-1"))).toBe("restored: app in 90 ms, log in 90 ms");
  const { startTime = "", completionTime = "" } = node.status(at("pod-1"))!;
  expect(Date.parse(completionTime)).toBeGreaterThanOrEqual(Date.parse(startTime));
  // A container that ends is created by the plan again.
  expect(node.model.pods.size).toBe(1);
  node.api.remove(at("pod-1"));
  await node.until(isEmpty);
});

test.each([
  ["fresh", "Failed StartedFresh"],
  ["stop", "Failed RestoreFailed"],
])("reports why a pod was not restored, with the fallback %s", async (fallback, condition) => {
  node.restore("pod-1", { fallback });
  await node.start().ready;
  void node.model.create("pod-1", { fails: "Incompatible" });
  await node.finished(at("pod-1"));
  expect(node.condition(at("pod-1"))).toBe(condition);
  expect(node.message(at("pod-1"))).toBe("it is Incompatible");
  expect(node.status(at("pod-1"))?.cause).toBe("Incompatible");
});

test("reports a restore whose memory is loaded on access when all of it is loaded, or lost", async () => {
  const memory = new Map([
    ["pod-1", "Loading"],
    ["pod-2", "Loading"],
  ]);
  const { outcome } = node.model.service;
  Object.assign(node.model.service, {
    outcome: async (podUID: string) => {
      const found = await outcome.call(node.model.service, podUID);
      if (found.decision !== "restore") return found;
      const phase = memory.get(podUID);
      if (phase === "Lost") return { ...found, decision: "fresh", reason: "MemoryLost", message: "no page" };
      return { ...found, containers: found.containers.map((each) => ({ ...each, memory: phase })) };
    },
  });
  for (const pod of memory.keys()) node.restore(pod, { lazy: true });
  await node.start().ready;
  for (const pod of memory.keys()) void node.model.create(pod);
  const loading = "memory is loaded while the processes run: app, log";
  await node.until(() => [...memory.keys()].every((pod) => node.message(at(pod)) === loading));
  expect(node.condition(at("pod-1"))).toBe("Progressing PlanReady");
  memory.set("pod-1", "Loaded");
  memory.set("pod-2", "Lost");
  await node.finished(at("pod-1"), at("pod-2"));
  expect(node.condition(at("pod-1"))).toBe("Ready Restored");
  expect(node.condition(at("pod-2"))).toBe("Failed StartedFresh");
  expect(node.status(at("pod-2"))?.cause).toBe("MemoryLost");
});

/** Makes the outcome of restored containers say that their memory is loaded while they run, until it has arrived. */
function loadsWhileRunning() {
  const { outcome } = node.model.service;
  Object.assign(node.model.service, {
    outcome: async (podUID: string) => {
      const found = await outcome.call(node.model.service, podUID);
      const memory = node.model.pods.get(podUID)?.arriving ? "Loading" : "Loaded";
      if (found.decision !== "restore") return found;
      return { ...found, containers: found.containers.map((each) => ({ ...each, memory })) };
    },
  });
}

test("loads the memory that a lazy plan lacks, also after a failure, and is restored only then", async () => {
  loadsWhileRunning();
  node.model.layers = 5;
  node.restore("pod-1", { lazy: true });
  await node.start().ready;
  await node.until(() => node.model.loaded === 2);
  node.model.registryDown = true;
  void node.model.create("pod-1");
  await node.until(() => node.message(at("pod-1")).includes("while the processes run"));
  await time.pass(5000);
  expect(node.condition(at("pod-1"))).toBe("Progressing PlanReady");
  node.model.registryDown = false;
  await node.finished(at("pod-1"));
  expect(node.condition(at("pod-1"))).toBe("Ready Restored");
  expect(node.model.loaded).toBe(5);
  expect(node.model.lost).toEqual([]);
});

test("loads the rest of the memory after the agent was killed", async () => {
  loadsWhileRunning();
  node.model.layers = 50;
  node.restore("pod-1", { lazy: true });
  const first = node.start();
  await first.ready;
  await node.until(() => node.model.loaded === 2);
  first.kill();
  void node.model.create("pod-1");
  await node.start().ready;
  await node.finished(at("pod-1"));
  expect(node.condition(at("pod-1"))).toBe("Ready Restored");
  expect(node.model.loaded).toBe(50);
});

test("says that memory is lost whose layer is damaged in the registry", async () => {
  loadsWhileRunning();
  node.model.layers = 50;
  node.restore("pod-1", { lazy: true });
  await node.start().ready;
  void node.model.create("pod-1");
  await node.until(() => node.model.loaded === 2);
  node.model.damaged = true;
  await node.finished(at("pod-1"));
  expect(node.condition(at("pod-1"))).toBe("Failed StartedFresh");
  expect(node.status(at("pod-1"))?.cause).toBe("MemoryLost");
  expect(node.model.lost).toEqual([{ podUID: "pod-1", message: "a layer differs from its digest" }]);
});

test("stops to load memory when the NodeRestore is deleted", async () => {
  loadsWhileRunning();
  node.model.layers = 1e6;
  node.restore("pod-1", { lazy: true });
  await node.start().ready;
  await node.until(() => node.model.loaded === 2);
  node.api.remove(at("pod-1"));
  await node.until(isEmpty);
  expect(node.model.pulls).toBe(0);
});

test("retries the pull while the registry is down", async () => {
  node.model.registryDown = true;
  node.restore("pod-1");
  await node.start().ready;
  await node.until(() => node.message(at("pod-1")).includes("retrying after"));
  expect(node.condition(at("pod-1"))).toBe("Progressing Fetching");
  void node.model.create("pod-1");
  node.model.registryDown = false;
  await node.finished(at("pod-1"));
  expect(node.condition(at("pod-1"))).toBe("Ready Restored");
});

test("reports the fresh start of a pod whose plan did not come in time, with the last error", async () => {
  node.model.registryDown = true;
  node.restore("pod-1");
  await node.start().ready;
  void node.model.create("pod-1", { waitMs: 40 });
  await node.finished(at("pod-1"));
  expect(node.condition(at("pod-1"))).toBe("Failed StartedFresh");
  expect(node.message(at("pod-1"))).toMatch(/^no plan came within 60s; download of a blob .* 503 down$/);
  expect(node.status(at("pod-1"))?.cause).toBe("PlanMissing");
  // Without the decision, a later plan would restore a pod that runs.
  expect(node.model.pods.size).toBe(1);
});

test("stops to pull at the deadline", async () => {
  node.model.registryDown = true;
  node.restore("pod-1", { timeoutSeconds: 2 });
  await node.start().ready;
  await node.finished(at("pod-1"));
  expect(node.message(at("pod-1"))).toMatch(/^there is no plan: download of a blob/);
  expect(node.status(at("pod-1"))?.cause).toBe("DeadlineExceeded");
  expect(node.model.declined).toMatchObject([{ podUID: "pod-1", reason: "DeadlineExceeded" }]);
});

test.each([
  ["fresh", "fresh", "Failed StartedFresh"],
  ["stop", "fail", "Failed RestoreFailed"],
])("declines a restore whose image is gone, with the fallback %s", async (fallback, decision, condition) => {
  const image = `registry.example.com/checkpoints@sha256:${"2".repeat(64)}`;
  node.restore("pod-1", { image, fallback });
  await node.start().ready;
  // Without the decision, it would wait until this test fails.
  const created = node.model.create("pod-1", { waitMs: Infinity });
  await node.finished(at("pod-1"));
  await time.pass(10);
  await created;
  expect(node.condition(at("pod-1"))).toBe(condition);
  const message = node.message(at("pod-1"));
  expect(message).toMatch(/^there is no plan: .* is not in the registry/);
  const declined = { podUID: "pod-1", reason: "CheckpointMissing", message, fallback: decision };
  expect(node.model.declined).toEqual([declined]);
  expect(node.model.pods.get("pod-1")).toMatchObject({ decision, reason: "CheckpointMissing" });
});

test("declines a restore once the service is available, with a message of limited length", async () => {
  const image = `registry.example.com/checkpoints@sha256:${"2".repeat(64)}`;
  let failures = 3;
  const { decline } = node.model.service;
  Object.assign(node.model.service, {
    decline: async (request: DeclineRequest) => {
      if (failures-- > 0) throw new NodeServiceError("cannot connect");
      return decline(request);
    },
  });
  Object.assign(node.model.artifacts, {
    pull: () => Promise.reject(new ArtifactError(image, "\u20ac".repeat(5000))),
  });
  node.restore("pod-1", { image });
  await node.start().ready;
  await node.finished(at("pod-1"));
  expect(failures).toBe(-1);
  expect(Buffer.byteLength(node.model.declined[0]!.message)).toBeLessThanOrEqual(4096);
  expect(node.condition(at("pod-1"))).toBe("Failed StartedFresh");
});

test("finishes a restore that a service of an earlier version cannot decline", async () => {
  Object.assign(node.model.service, {
    decline: () => Promise.reject(new NodeServiceError("unknown", { reason: "UnknownMethod" })),
  });
  node.restore("pod-1", { checkpointUID: "other" });
  await node.start().ready;
  await node.finished(at("pod-1"));
  expect(node.condition(at("pod-1"))).toBe("Failed StartedFresh");
});

test.each([
  ["of its namespace", "shop", "Progressing PlanReady", ""],
  [
    "of another namespace",
    "other",
    "Failed StartedFresh",
    "is not in the configured repository registry.example.com/checkpoints/shop or registry.example.com/checkpoints",
  ],
])(
  "with one repository per namespace, an artifact %s is restored or not",
  async (_, namespace, condition, message) => {
    node.repositoryPerNamespace = true;
    const image = `registry.example.com/checkpoints/${namespace}@sha256:${"1".repeat(64)}`;
    node.model.images.set(image, "cp");
    node.restore("pod-1", { image });
    await node.start().ready;
    await node.until(() => node.condition(at("pod-1")) === condition);
    expect(node.message(at("pod-1"))).toContain(message);
  },
);

test.each([
  [
    "is missing",
    { image: `registry.example.com/checkpoints@sha256:${"2".repeat(64)}` },
    "CheckpointMissing",
    /is not in the registry/,
  ],
  [
    "is of another Checkpoint",
    { checkpointUID: "other" },
    "CheckpointInvalid",
    /is of Checkpoint cp, not other/,
  ],
  [
    "is in another repository",
    { image: `registry.example.com/x@sha256:${"1".repeat(64)}` },
    "RegistryFailed",
    /is not in the configured repository/,
  ],
])("publishes no plan if the image %s", async (_, spec, cause, message) => {
  node.restore("pod-1", spec);
  await node.start().ready;
  await node.finished(at("pod-1"));
  expect(node.condition(at("pod-1"))).toBe("Failed StartedFresh");
  expect(node.status(at("pod-1"))?.cause).toBe(cause);
  expect(node.message(at("pod-1"))).toMatch(message);
  expect(node.model.laid).toEqual([]);
  node.api.remove(at("pod-1"));
  await node.until(isEmpty);
});

test("limits the pulls at a time, not the restores", async () => {
  node.model.pullMs = 20;
  const pods = ["p-1", "p-2", "p-3", "p-4"];
  for (const pod of pods) node.restore(pod);
  await node.start().ready;
  await node.until(() => pods.some((pod) => node.condition(at(pod)) === "- Pending"));
  await node.until(() => pods.every((pod) => node.condition(at(pod)) === "Progressing PlanReady"));
  expect(node.model.mostPulls).toBe(2);
  for (const pod of pods) void node.model.create(pod);
  await node.finished(...pods.map(at));
});

test("resumes after the service was down, and waits with the deletion while a container is being restored", async () => {
  node.model.serviceDown = true;
  node.restore("pod-1");
  await node.start().ready;
  await time.pass(50);
  expect(node.model.laid).toEqual([]);
  node.model.serviceDown = false;
  await node.until(() => node.condition(at("pod-1")) === "Progressing PlanReady");
  node.model.locked.add("pod-1");
  node.api.remove(at("pod-1"));
  await time.pass(50);
  expect(node.model.pods.size).toBe(1);
  node.model.locked.delete("pod-1");
  await node.until(isEmpty);
});

test("keeps the plan if the NodeRestore is created again", async () => {
  node.restore("pod-1");
  await node.start().ready;
  await node.until(() => node.condition(at("pod-1")) === "Progressing PlanReady");
  node.api.remove(at("pod-1"));
  node.restore("pod-1");
  await node.until(() => node.condition(at("pod-1")) === "Progressing PlanReady");
  await time.pass(100);
  void node.model.create("pod-1", { waitMs: 0 });
  await node.finished(at("pod-1"));
  expect(node.condition(at("pod-1"))).toBe("Ready Restored");
});

test("deletes plans and stagings of NodeRestores that were deleted meanwhile, and keeps decisions", async () => {
  const plan = { checkpoint: "cp", fallback: "fresh", deadlineMs: 0 };
  node.model.pods.set("planned", { plan, decision: "restore", containers: [] });
  node.model.pods.set("fresh", { decision: "fresh", reason: "PlanMissing", containers: [] });
  node.model.stagings.set("staged", "cp");
  node.restore("pod-1");
  await node.start().ready;
  await node.until(() => node.condition(at("pod-1")) === "Progressing PlanReady");
  await node.until(() => node.model.stagings.size === 0 && node.model.pods.size === 2);
  expect([...node.model.pods.keys()].toSorted()).toEqual(["fresh", "pod-1"]);
});
