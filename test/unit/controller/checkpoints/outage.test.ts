/**
 * What a Checkpoint reports while its node waits, or cannot push: the message of the node, for a day. If the containers were stopped,
 * the node has the only copy, which is kept until it is pushed.
 */
import type { NodeCheckpointStatus } from "../../../../api";
import type { Stored } from "../../../../testbed/fake-api";
import { condition, Harness, NODE_CHECKPOINTS } from "./agents";
import { CHECKPOINTS, pod, seconds } from "./support";

const DIGEST = `sha256:${"a".repeat(64)}`;
const DONE = {
  conditions: [condition("Ready", "CheckpointCompleted", "done")],
  image: `registry.example.com/checkpoints@${DIGEST}`,
  digest: DIGEST,
  sizeBytes: 17,
  architecture: "amd64",
  frozenMilliseconds: 120,
  containers: [{ name: "a" }, { name: "b" }],
} as unknown as NodeCheckpointStatus;
const PUSHING = {
  conditions: [condition("Progressing", "Pushing", "not pushed: 503; the node keeps the only copy")],
} as unknown as NodeCheckpointStatus;
/** The timeout of the agent, and the time beyond it. */
const LATE_SECONDS = 300 + 120 + 30;

let harness: Harness;
const uid = () => harness.api.get(`${CHECKPOINTS}/one`)?.metadata.uid ?? "";

beforeEach(() => {
  jest.useFakeTimers({ now: Date.parse("2026-11-27T15:00:00Z") });
  harness = new Harness(["a", "b"]);
});
afterEach(async () => {
  await harness.end();
  jest.useRealTimers();
});

test("waits beyond the timeout while the node keeps the only copy, also after a restart", async () => {
  harness.agent(PUSHING);
  await harness.checkpoint({ leaveRunning: false });
  const first = harness.start();
  await seconds(LATE_SECONDS);
  expect(harness.outcome()).toMatchObject({
    is: "Progressing CheckpointInProgress",
    message:
      "the agent of node n1 has not finished within 300 s: not pushed: 503; the node keeps the only copy",
  });
  first.kill();
  harness.start();
  await seconds(LATE_SECONDS + 600);
  expect(harness.outcome().is).toBe("Progressing CheckpointInProgress");
  expect(await harness.nodeCheckpoints()).toHaveLength(1);
  harness.edit(uid(), DONE);
  await seconds(20);
  expect(harness.outcome()).toMatchObject({ is: "Ready CheckpointCompleted", sizeBytes: 17 });
  expect(await harness.nodeCheckpoints()).toEqual([]);
});

test("keeps the only copy when the install no longer has its namespace", async () => {
  harness.agent(PUSHING);
  await harness.checkpoint({ leaveRunning: false });
  harness.start();
  await seconds(4);
  await harness.end();
  const requests = await harness.nodeCheckpoints();
  expect(requests).toHaveLength(1);
  // What is pushed, or of processes that run, is not the only copy.
  const [{ metadata, ...rest }] = requests as [Stored];
  for (const [name, more] of [
    ["1b2c-a", { spec: { ...(rest["spec"] as object), options: { leaveRunning: true } } }],
    ["1b2d-a", { status: DONE }],
  ] as const)
    harness.api.put(NODE_CHECKPOINTS, {
      ...rest,
      ...more,
      metadata: { ...metadata, name, uid: name },
    } as never);
  harness.narrow(["team-b"]);
  harness.start();
  await seconds(1300);
  expect((await harness.nodeCheckpoints()).map((one) => one.metadata.name)).toEqual([metadata.name]);
});

test("waits beyond the timeout without a slot of the node", async () => {
  harness.agent(PUSHING);
  const names = ["one", "two", "three"] as const;
  for (const name of names) {
    harness.api.put("/api/v1/namespaces/team-a/pods", pod(name, { containers: ["a", "b"] }));
    await harness.checkpoint({ podRef: { name }, leaveRunning: name === "three" }, name);
    await seconds(1);
  }
  harness.start();
  await seconds(LATE_SECONDS - 60);
  expect(harness.outcome("three").message).toBe(
    "node n1 has reached maxPerNode (2); other Checkpoints start first",
  );
  await seconds(120);
  expect(names.map((name) => harness.outcome(name).is)).toEqual(
    names.map(() => "Progressing CheckpointInProgress"),
  );
  expect(await harness.nodeCheckpoints()).toHaveLength(3);
});

test("deletes the request for an only copy once its Checkpoint is deleted", async () => {
  harness.agent(PUSHING);
  await harness.checkpoint({ leaveRunning: false });
  harness.start();
  await seconds(LATE_SECONDS);
  harness.api.remove(`${CHECKPOINTS}/one`);
  await seconds(30);
  expect(await harness.nodeCheckpoints()).toEqual([]);
});

test.each<[string, object, NodeCheckpointStatus]>([
  [
    "the containers keep running, and the checkpoint is not taken",
    {},
    { conditions: [condition("Progressing", "CheckpointInProgress", "dumping")] } as never,
  ],
  [
    "no request was sent to the node",
    { leaveRunning: false },
    { conditions: [{ ...condition("Ready", "Pending", "waits"), status: "False" }] } as never,
  ],
])("fails after the timeout if %s", async (_, spec, status) => {
  harness.agent(status);
  await harness.checkpoint(spec);
  harness.start();
  await seconds(LATE_SECONDS);
  expect(harness.outcome().is).toBe("Failed AgentNotAnswering");
  expect(await harness.nodeCheckpoints()).toEqual([]);
});

test.each<[string, object, number]>([
  ["before its first report", {}, 120],
  [
    "after it waited",
    { conditions: [{ ...condition("Ready", "Pending", "waits"), status: "False" }] },
    LATE_SECONDS,
  ],
])("does not give up a request that the agent starts at the last moment: %s", async (_, status, after) => {
  harness.agent(status);
  await harness.checkpoint({ leaveRunning: false });
  harness.start();
  let deletions = 0;
  harness.api.before = ({ method, path }) => {
    if (method === "DELETE" && path.includes("/nodecheckpoints/") && deletions++ === 0)
      harness.edit(uid(), PUSHING);
  };
  await seconds(after);
  expect([deletions, harness.outcome().is]).toEqual([1, "Progressing CheckpointInProgress"]);
  harness.edit(uid(), DONE);
  await seconds(20);
  expect(harness.outcome().is).toBe("Ready CheckpointCompleted");
});

test("waits a day for a push if the containers keep running, also after a restart, then fails with the last message", async () => {
  harness.agent(PUSHING);
  await harness.checkpoint();
  const first = harness.start();
  await seconds(LATE_SECONDS + 40_000);
  first.kill();
  harness.start();
  await seconds(40_000);
  expect(harness.outcome().is).toBe("Progressing CheckpointInProgress");
  expect(await harness.nodeCheckpoints()).toHaveLength(1);
  await seconds(6500);
  expect(harness.outcome().is).toBe("Failed AgentNotAnswering");
  expect(await harness.nodeCheckpoints()).toEqual([]);
});

test("an agent that has not reported gets its time again after the controller was started again", async () => {
  await harness.checkpoint();
  const first = harness.start();
  await seconds(55);
  first.kill();
  harness.start();
  await seconds(50);
  expect(harness.outcome().is).toBe("Progressing CheckpointInProgress");
  await seconds(60);
  expect(harness.outcome().is).toBe("Failed AgentNotAnswering");
});

test("repeats what the node reports about a request that waits, or whose push fails", async () => {
  await harness.checkpoint();
  harness.start();
  await seconds(2);
  const report = async (type: string, reason: string, message: string, more: object = {}) => {
    const holds = condition(type, reason, message);
    const status = type === "Ready" ? "False" : "True";
    harness.edit(uid(), { conditions: [{ ...holds, status }], ...more } as never);
    await seconds(1);
    return harness.outcome();
  };
  const waits = "the node has reached maxConcurrent (2)";
  expect(await report("Ready", "Pending", waits)).toMatchObject({
    is: "Progressing CheckpointInProgress",
    message: waits,
  });
  const writes = () => harness.api.writes.filter(({ path }) => path.endsWith("/one/status")).length;
  const before = writes();
  await report("Progressing", "CheckpointInProgress", "requesting the checkpoint");
  await report("Progressing", "Pushing", "to the registry");
  expect(writes()).toBe(before);
  const failed = "to the registry, retrying after: 503 down";
  expect(await report("Progressing", "Pushing", failed, { pushFailures: 1 })).toMatchObject({
    is: "Progressing CheckpointInProgress",
    message: failed,
  });
  await seconds(60);
  expect(writes()).toBe(before + 1);
  await report("Progressing", "Pushing", `${failed} again`, { pushFailures: 2 });
  expect(writes()).toBe(before + 2);
});
