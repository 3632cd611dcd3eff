/** What the agent keeps of a checkpoint that it cannot push: in an outage of the registry, and when the registry rejects it. */
import { VirtualTime } from "../../../../support/virtual-time";
import { CHECKPOINTS, Node } from "./support";

const STOP = { options: { leaveRunning: false } };
const at = (name: string) => `${CHECKPOINTS}/${name}`;
const pod = (name: string) => ({ podRef: { namespace: "shop", name, uid: `uid-of-${name}` } });

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

const stored = () => [...node.model.checkpoints.keys()].toSorted();

/** Takes checkpoints of pods of the same names, one after the other, until each is kept beyond its timeout. */
async function keep(names: readonly string[], spec: object = {}): Promise<void> {
  for (const name of names) {
    node.checkpoint(name, { ...pod(name), timeoutSeconds: 1, ...spec });
    await node.until(() => /the node keeps|only copy/.test(node.message(at(name))));
  }
}

test("keeps a checkpoint beyond its timeout, also in the next process, and pushes it when the registry is back", async () => {
  node.model.registryDown = true;
  const first = node.start();
  await first.ready;
  await keep(["cp"]);
  expect(node.condition(at("cp"))).toBe("Progressing Pushing");
  expect(node.message(at("cp"))).toMatch(
    /^to \S+:cp, not pushed within 1 s: .* 503 down; the node keeps the checkpoint .*\. Remedy: .* delete the Checkpoint/,
  );
  expect(node.status(at("cp"))?.pushFailures).toBeGreaterThan(1);
  first.kill();
  await node.start().ready;
  await time.pass(500);
  expect([node.condition(at("cp")), stored()]).toEqual(["Progressing Pushing", ["cp"]]);
  node.model.registryDown = false;
  await node.finished(at("cp"));
  expect([node.condition(at("cp")), stored()]).toEqual(["Ready CheckpointCompleted", []]);
  // A repeated request returns the checkpoint that was taken.
  expect(new Set(node.model.requests.map(({ uid }) => uid)).size).toBe(1);
  expect(node.model.pushed).toHaveLength(1);
});

test("gives a checkpoint up when its time is over, and deletes it", async () => {
  node.model.registryDown = true;
  node.checkpoint("cp", { timeoutSeconds: 1 });
  await node.start().ready;
  await node.finished(at("cp"));
  expect([node.condition(at("cp")), stored()]).toEqual(["Failed RegistryFailed", []]);
  expect(node.message(at("cp"))).toMatch(/^not pushed within 4 s: .* 503 down$/);
});

test("deletes a kept checkpoint when its NodeCheckpoint is deleted", async () => {
  node.model.registryDown = true;
  await node.start().ready;
  await keep(["cp"]);
  node.api.remove(at("cp"));
  await node.finished(at("cp"));
  expect([stored(), node.model.pushed]).toEqual([[], []]);
});

test("gives up the oldest ones that are kept, when the quota has no space for a newer one", async () => {
  node.quotaBytes = 2500;
  node.maxConcurrent = 1;
  node.model.registryDown = true;
  await node.start().ready;
  await keep(["a", "b", "c"]);
  await node.until(() => node.isOver(at("a")));
  expect(node.condition(at("a"))).toBe("Failed RegistryFailed");
  expect(node.message(at("a"))).toContain("a newer checkpoint needed its space within the quota");
  expect(stored()).toEqual(["b", "c"]);
  expect(["b", "c"].map((name) => node.condition(at(name)))).toEqual([
    "Progressing Pushing",
    "Progressing Pushing",
  ]);
  node.model.registryDown = false;
  await node.finished(...["b", "c"].map(at));
  expect(node.model.pushed).toEqual(["b", "c"].map((name) => expect.stringContaining(`:${name}`) as string));
});

test("never gives up the only copy of processes that have ended", async () => {
  node.quotaBytes = 2500;
  node.maxConcurrent = 1;
  node.model.registryDown = true;
  await node.start().ready;
  await keep(["a", "b"], STOP);
  node.checkpoint("c", pod("c"));
  await node.until(() => node.isOver(at("c")));
  expect(node.condition(at("c"))).toBe("Failed QuotaExceeded");
  expect(["a", "b"].map((name) => node.condition(at(name)))).toEqual([
    "Progressing Pushing",
    "Progressing Pushing",
  ]);
  await node.until(() => stored().length === 2);
  expect(node.model.violations).toEqual([]);
});

test.each([
  ["413 of a proxy", { status: 413 }, 1],
  ["an invalid manifest", { status: 400, code: "MANIFEST_INVALID" }, 1],
  ["a missing repository", { status: 404, code: "NAME_UNKNOWN" }, 1],
  ["401", { status: 401 }, 3],
  ["403", { status: 403, code: "DENIED" }, 3],
])("ends at once when the registry rejects the checkpoint: %s", async (_, rejects, pushes) => {
  node.model.rejects = rejects;
  node.checkpoint("cp");
  await node.start().ready;
  await node.finished(at("cp"));
  expect([node.condition(at("cp")), node.model.pushes, stored()]).toEqual([
    "Failed RegistryFailed",
    pushes,
    [],
  ]);
  expect(node.message(at("cp"))).toMatch(
    new RegExp(`^the registry rejects the checkpoint: .* ${rejects.status} .*its own words`),
  );
});

test.each([
  ["404 of a proxy without a registry", { status: 404 }, {}],
  ["429", { status: 429, code: "TOOMANYREQUESTS" }, {}],
  ["413, and the processes have ended", { status: 413 }, STOP],
])("retries after %s", async (_, rejects, spec) => {
  node.model.rejects = rejects;
  node.checkpoint("cp", spec);
  await node.start().ready;
  await node.until(() => node.model.pushes > 5);
  expect(node.message(at("cp"))).toContain(`retrying after: upload of a blob`);
  delete node.model.rejects;
  await node.finished(at("cp"));
  expect(node.condition(at("cp"))).toBe("Ready CheckpointCompleted");
});

test("waits as long as the registry requests by Retry-After", async () => {
  node.model.rejects = { status: 429, retryAfterMs: 1000 };
  node.checkpoint("cp");
  await node.start().ready;
  await node.until(() => node.model.pushes > 0);
  await time.pass(900);
  expect(node.model.pushes).toBe(1);
  delete node.model.rejects;
  await time.pass(200);
  expect(node.model.pushes).toBe(2);
  await node.finished(at("cp"));
  expect(node.condition(at("cp"))).toBe("Ready CheckpointCompleted");
});
