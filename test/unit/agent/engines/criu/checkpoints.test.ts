import { VirtualTime } from "../../../../support/virtual-time";
import { CHECKPOINTS, Node } from "./support";

const at = (name: string) => `${CHECKPOINTS}/${name}`;

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

const run = async (...names: string[]) => {
  await node.start().ready;
  await node.finished(...names.map(at));
};

test("checkpoints a pod, pushes it, deletes it on the node and reports the result", async () => {
  node.checkpoint("cp");
  await run("cp");
  expect(node.condition(at("cp"))).toBe("Ready CheckpointCompleted");
  expect(node.status(at("cp"))).toMatchObject({
    image: `registry.example.com/checkpoints@sha256:${"0".repeat(64)}`,
    digest: "sha256:0",
    sizeBytes: 100,
    architecture: "amd64",
    checkpointedTime: "2026-11-27T09:00:00Z",
    frozenMilliseconds: 2,
    preDump: { passes: 1, frozenMilliseconds: 1 },
    containers: [
      {
        name: "app",
        notRestored: [
          {
            code: "volume",
            message: "/claim: its content is not in the checkpoint; mount a volume with the same files here",
          },
        ],
      },
      { name: "log" },
    ],
  });
  expect(node.model.requests).toEqual([
    { uid: "cp", podUID: "uid-of-web", reserveBytes: 1000, maxBytes: 1e6 },
  ]);
  expect([node.model.pushed, node.model.checkpoints.size]).toEqual([
    ["registry.example.com/checkpoints:cp"],
    0,
  ]);
});

test("passes containers and options on", async () => {
  const options = { tcp: "loopback", preDump: "off", leaveRunning: false, freezeSeconds: 7 };
  node.checkpoint("cp", { containerNames: ["app"], options });
  await run("cp");
  expect(node.model.requests).toMatchObject([
    {
      containers: [{ name: "app", image: "" }],
      tcp: "loopback",
      preDump: "off",
      stop: true,
      freezeMilliseconds: 7000,
    },
  ]);
});

test("passes the digests of images on, and reports the images", async () => {
  const digest = `sha256:${"a".repeat(64)}`;
  const baseImages = [{ name: "log", image: `registry.example.com/log@${digest}` }];
  node.checkpoint("cp", { containerNames: ["app", "log"], baseImages });
  await run("cp");
  expect(node.model.requests[0]?.containers).toEqual([
    { name: "app", image: "" },
    { name: "log", image: digest },
  ]);
  expect(node.status(at("cp"))?.containers).toMatchObject([
    { name: "app", notRestored: [{ code: "volume" }] },
    { name: "log", baseImage: `registry.example.com/log@${digest}` },
  ]);
  expect(node.status(at("cp"))?.containers?.[0]).not.toHaveProperty("baseImage");
});

test("takes one checkpoint of a pod at a time, and reports why others wait", async () => {
  node.model.dumpMs = 60;
  node.checkpoint("1");
  node.checkpoint("2");
  node.checkpoint("3", { podRef: { namespace: "shop", name: "db", uid: "uid-of-db" } });
  node.checkpoint("4", { podRef: { namespace: "shop", name: "mq", uid: "uid-of-mq" } });
  await node.start().ready;
  await node.until(() => node.condition(at("4")) === "- Pending" && node.condition(at("2")) === "- Pending");
  expect(node.message(at("2"))).toBe("another checkpoint of pod shop/web is in progress");
  expect(node.message(at("4"))).toBe("the node has reached maxConcurrent (2)");
  await node.finished(...["1", "2", "3", "4"].map(at));
  expect(node.model.pushed).toHaveLength(4);
  expect(node.model.violations).toEqual([]);
});

test.each([
  ["ContainerNotFound", "Failed ContainerNotFound", "criu failed"],
  ["CheckpointNotPossible", "Failed CheckpointNotPossible", "criu failed. Remedy: set X"],
  ["InsufficientSpace", "Failed QuotaExceeded", "criu failed"],
  ["QuotaExceeded", "Failed QuotaExceeded", "criu failed"],
  ["DumpFailed", "Failed CheckpointFailed", "criu failed. Remedy: set X"],
])("reports %s once, with the remedy", async (reason, condition, message) => {
  const remedy = message.includes("Remedy") ? "set X" : undefined;
  node.model.responses = [{ reason, ...(remedy && { remedy }) }];
  node.checkpoint("cp");
  await run("cp");
  expect([node.condition(at("cp")), node.message(at("cp"))]).toEqual([condition, message]);
  expect(node.model.requests).toHaveLength(1);
  expect(node.model.pushed).toEqual([]);
});

test("retries while the service restarts, and gives up after the limit", async () => {
  node.model.responses = ["unavailable", "interrupted", "lost"];
  node.checkpoint("cp");
  await run("cp");
  expect(node.condition(at("cp"))).toBe("Ready CheckpointCompleted");
  expect(node.model.requests).toHaveLength(4);

  node.model.serviceDown = true;
  node.checkpoint("down");
  await node.until(() => node.isOver(at("down")));
  expect(node.condition(at("down"))).toBe("Failed CheckpointFailed");
  expect(node.message(at("down"))).toBe("cannot connect");
  // The entry remains until the service has deleted what it may have.
  expect(node.entries.size).toBe(1);
  node.model.serviceDown = false;
  await node.finished(at("down"));
});

test("keeps to quota and reserve, and reports the figures", async () => {
  node.model.checkpoints.set("earlier", { podUID: "other", bytes: 400_000 });
  node.checkpoint("fits");
  await run("fits");
  expect(node.model.requests[0]?.maxBytes).toBe(600_000);

  node.model.checkpoints.set("earlier", { podUID: "other", bytes: 1_000_000 });
  node.checkpoint("over");
  await node.finished(at("over"));
  expect(node.condition(at("over"))).toBe("Failed QuotaExceeded");
  expect(node.message(at("over"))).toMatch(/use 0\.954 MiB of the quota of 0\.954 MiB/);

  node.model.checkpoints.clear();
  node.model.freeBytes = 999;
  node.checkpoint("full");
  await node.finished(at("full"));
  expect(node.message(at("full"))).toMatch(
    /has 0\.001 MiB free, less than the reserve of 0\.001 MiB: free disk space$/,
  );
  expect(node.model.requests).toHaveLength(1);

  // A plan and a staging use space. The decision about a pod without a plan does not.
  const plan = { checkpoint: "x", fallback: "fresh", deadlineMs: 0 };
  node.model.pods.set("restored", { plan, decision: "restore", containers: [] });
  node.model.pods.set("fresh", { decision: "fresh", containers: [] });
  node.model.stagings.set("staged", "x");
  node.checkpoint("restores");
  await node.finished(at("restores"));
  expect(node.message(at("restores"))).toMatch(/, or delete restored pods: it has the checkpoints of 2$/);

  // Taken at the same time, they exceed the quota together.
  node.model.freeBytes = 1e9;
  node.model.bytes = 600_000;
  node.model.dumpMs = 20;
  node.model.registryDown = true;
  node.checkpoint("a", { timeoutSeconds: 3 });
  node.checkpoint("b", { timeoutSeconds: 3, podRef: { namespace: "shop", name: "db", uid: "uid-of-db" } });
  await node.until(() => node.isOver(at("a")) || node.isOver(at("b")));
  const conditions = ["a", "b"].map((name) => node.condition(at(name)));
  expect(conditions.some((condition) => condition === "Failed QuotaExceeded")).toBe(true);
});

test("rejects another repository before any request to the service", async () => {
  node.checkpoint("cp", { image: "registry.example.com/elsewhere:cp" });
  await run("cp");
  expect(node.condition(at("cp"))).toBe("Failed RegistryFailed");
  expect(node.model.requests).toEqual([]);
});

test("deletes the checkpoint on the node when the NodeCheckpoint is deleted during the dump", async () => {
  node.model.dumpMs = 30;
  node.checkpoint("cp");
  await node.start().ready;
  await node.until(() => node.model.inFlight === 1);
  node.api.remove(at("cp"));
  await node.finished(at("cp"));
  expect([node.model.checkpoints.size, node.model.inFlight, node.model.pushed]).toEqual([0, 0, []]);
});

test("waits for the service on SIGTERM, and the next process resumes", async () => {
  node.model.dumpMs = 50;
  node.checkpoint("cp");
  const first = node.start();
  await first.ready;
  await node.until(() => node.model.inFlight === 1);
  await time.settle(first.stop());
  expect(node.entries.size).toBe(1);
  await run("cp");
  expect(node.condition(at("cp"))).toBe("Ready CheckpointCompleted");
});

const STOP = { options: { leaveRunning: false } };

test("continues to push beyond the timeout if the processes have ended, also in the next process", async () => {
  node.model.registryDown = true;
  node.checkpoint("cp", { ...STOP, timeoutSeconds: 1 });
  const first = node.start();
  await first.ready;
  await node.until(() => node.message(at("cp")).includes("only copy"));
  expect(node.message(at("cp"))).toMatch(
    /^to \S+:cp, not pushed within 1 s: .* 503 down; .*only copy .*\. Remedy: .* delete the NodeCheckpoint/,
  );
  for (let restarts = 0; restarts < 2; restarts++) {
    await time.pass(5000);
    expect([node.condition(at("cp")), node.model.checkpoints.size]).toEqual(["Progressing Pushing", 1]);
    if (restarts === 0) first.kill();
    if (restarts === 0) await node.start().ready;
  }
  expect(node.model.requests.length).toBeLessThanOrEqual(1);
  node.model.registryDown = false;
  await node.finished(at("cp"));
  expect([node.condition(at("cp")), node.model.checkpoints.size]).toEqual(["Ready CheckpointCompleted", 0]);
  expect(node.model.violations).toEqual([]);
});

test("pushes that continue beyond their timeout do not keep other checkpoints from starting", async () => {
  const pod = (name: string) => ({ podRef: { namespace: "shop", name, uid: `uid-of-${name}` } });
  node.model.registryDown = true;
  for (const name of ["a", "b"]) node.checkpoint(name, { ...STOP, ...pod(name), timeoutSeconds: 1 });
  await node.start().ready;
  await node.until(() => ["a", "b"].every((name) => node.message(at(name)).includes("only copy")));
  node.checkpoint("c", pod("c"));
  await node.until(() => node.condition(at("c")) === "Progressing Pushing");
  node.model.registryDown = false;
  await node.finished(...["a", "b", "c"].map(at));
  expect(node.model.violations).toEqual([]);
});

test("deletes the only copy when its NodeCheckpoint is deleted", async () => {
  node.model.registryDown = true;
  node.checkpoint("cp", { ...STOP, timeoutSeconds: 1 });
  await node.start().ready;
  await node.until(() => node.message(at("cp")).includes("only copy"));
  node.api.remove(at("cp"));
  await node.finished(at("cp"));
  expect([node.model.checkpoints.size, node.model.pushed]).toEqual([0, []]);
});

test("pushes the only copy although it exceeds the quota", async () => {
  node.model.bytes = 2e6;
  node.checkpoint("cp", STOP);
  await run("cp");
  expect(node.condition(at("cp"))).toBe("Ready CheckpointCompleted");
  expect(node.model.violations).toEqual([]);
});

test.each([
  ["the service still dumps at the timeout", 3000, false],
  ["the service does not respond from the dump to the timeout", 300, true],
])("waits for the outcome of a checkpoint that ends the processes: %s", async (_, dumpMs, down) => {
  node.model.dumpMs = dumpMs;
  node.checkpoint("cp", { ...STOP, timeoutSeconds: 1 });
  const first = node.start();
  await first.ready;
  await node.until(() => node.model.inFlight === 1);
  node.model.serviceDown = down;
  if (down) first.kill();
  if (down) await node.start().ready;
  await time.pass(2000);
  expect(node.condition(at("cp"))).toBe("Progressing CheckpointInProgress");
  expect(node.message(at("cp"))).toMatch(/outcome of the checkpoint is not known yet/);
  node.model.serviceDown = false;
  await node.finished(at("cp"));
  expect(node.condition(at("cp"))).toBe("Ready CheckpointCompleted");
  expect([node.model.requests.length, node.model.violations]).toEqual([1, []]);
});

test.each([
  ["the dump fails", { responses: [{ reason: "DumpFailed" }] }, "criu failed"],
  ["the service receives no request", { serviceDown: true }, "cannot connect"],
])("fails if no process has ended: %s", async (_, model, message) => {
  Object.assign(node.model, model);
  node.checkpoint("cp", STOP);
  await node.start().ready;
  await node.until(() => node.isOver(at("cp")));
  expect([node.condition(at("cp")), node.message(at("cp"))]).toEqual(["Failed CheckpointFailed", message]);
  node.model.serviceDown = false;
  await node.finished(at("cp"));
});

test("leaves the processes running if the request waited longer than its timeout", async () => {
  node.model.registryDown = true;
  node.checkpoint("1", { ...STOP, timeoutSeconds: 2 });
  await node.start().ready;
  await node.until(() => node.model.checkpoints.size === 1);
  node.checkpoint("2", { ...STOP, timeoutSeconds: 2 });
  await time.pass(3000);
  expect(node.condition(at("2"))).toBe("- Pending");
  node.model.registryDown = false;
  await node.finished(at("1"), at("2"));
  expect([node.condition(at("1")), node.condition(at("2"))]).toEqual([
    "Ready CheckpointCompleted",
    "Failed CheckpointFailed",
  ]);
  expect(node.message(at("2"))).toMatch(/waited for more than 2 s/);
  expect(node.model.requests.map(({ uid }) => uid)).toEqual(["1"]);
});

test("fails if the service has lost the only copy", async () => {
  node.model.registryDown = true;
  node.checkpoint("cp", STOP);
  await node.start().ready;
  await node.until(() => node.message(at("cp")).includes("retrying after"));
  node.model.checkpoints.clear();
  await node.finished(at("cp"));
  expect(node.condition(at("cp"))).toBe("Failed CheckpointFailed");
});
