import { Retention } from "../../../../../controller/policies/retention";
import { ApiError } from "../../../../../kube";
import { GROUP, IN_A, RetentionCluster, seconds, WEEK } from "./cluster";

let cluster: RetentionCluster;
beforeEach(() => void (cluster = new RetentionCluster()));
afterEach(() => cluster.end());

const put = (path: string, object: object) => cluster.put(path, object);
const start = () => cluster.start();
const policy = (...given: Parameters<RetentionCluster["policy"]>) => cluster.policy(...given);
const checkpoint = (...given: Parameters<RetentionCluster["checkpoint"]>) => cluster.checkpoint(...given);
const names = () => cluster.names();
const statusOf = (path?: string) => cluster.statusOf(path);

test("deletes at each tick what exceeds the limit, and reports it", async () => {
  for (const days of [30, 20, 10, 3, 1]) checkpoint(`d${days}`, days);
  policy(WEEK);
  start();
  await seconds(31);
  expect(statusOf()).toMatchObject({
    nextRunTime: "2026-11-28T12:10:00.000Z",
    retention: {
      selected: 5,
      totalBytes: 500,
      toDelete: 3,
      next: [
        { namespace: "team-a", name: "d30", reason: "OlderThan" },
        { namespace: "team-a", name: "d20", reason: "OlderThan" },
        { namespace: "team-a", name: "d10", reason: "OlderThan" },
      ],
      kept: [
        { reason: "LastGood", count: 1 },
        { reason: "WithinLimits", count: 1 },
      ],
    },
  });
  expect(statusOf()).not.toHaveProperty("matchedPods");
  expect(await names()).toHaveLength(5);
  await seconds(570);
  expect(await names()).toEqual(["d1", "d3"]);
  await seconds(31);
  expect(statusOf()).toMatchObject({
    lastRunTime: "2026-11-28T12:10:00.000Z",
    retention: { selected: 2, toDelete: 0, deleted: 3 },
  });
  expect(cluster.events).toMatchObject([
    {
      type: "Normal",
      reason: "CheckpointsDeleted",
      regarding: { kind: "CheckpointPolicy", name: "retention" },
      note: "deleted Checkpoints: 3 OlderThan",
    },
  ]);
  const text = await cluster.metrics.registry.metrics();
  expect(text).toContain('cedana_policy_checkpoints_deleted_total{reason="OlderThan"} 3');
  expect(text).toContain('cedana_policy_checkpoints_deleted_total{reason="OverTotalSize"} 0');
  expect(text).toContain('cedana_policy_checkpoints_kept{reason="LastGood"} 1');
  expect(text).toContain('cedana_policy_actions_total{trigger="heartbeat",outcome="started"} 1');
});

test("a dry run deletes nothing, and says what would be deleted", async () => {
  for (const days of [30, 20]) checkpoint(`d${days}`, days);
  policy({ ...WEEK, dryRun: true });
  start();
  await seconds(700);
  expect(await names()).toHaveLength(2);
  expect(statusOf()).toMatchObject({
    retention: { toDelete: 1, next: [{ name: "d30" }], kept: [{ reason: "LastGood", count: 1 }] },
  });
  expect(cluster.events).toEqual([]);
});

test("selects Checkpoints by the policies that created them, and those of users only on request", async () => {
  checkpoint("nightly", 30);
  checkpoint("hourly", 29, { labels: { "cedana.ai/policy": "hourly", "cedana.ai/policy-uid": "h" } });
  checkpoint("manual", 28, { labels: {} });
  checkpoint("last", 1);
  policy({ ...WEEK, policies: ["nightly"] });
  start();
  await seconds(620);
  expect(await names()).toEqual(["hourly", "last", "manual"]);
  cluster.api.edit(`${IN_A}/checkpointpolicies/retention`, (object) => {
    const { spec, metadata } = object as unknown as {
      spec: { action: object };
      metadata: { generation: number };
    };
    spec.action = { deleteCheckpoints: { ...WEEK, createdByUsers: true } };
    metadata.generation = 2;
  });
  await seconds(600);
  expect(await names()).toEqual(["last"]);
});

test("selects Checkpoints by the owner of their pods, and none whose pod was never seen", async () => {
  const failed = {
    podUID: undefined,
    owner: undefined,
    conditions: [{ type: "Failed", status: "True", reason: "SourcePodNotFound", message: "" }],
  };
  checkpoint("web", 30);
  checkpoint("unknown", 30, { status: failed });
  checkpoint("job", 30, {
    status: { owner: { apiVersion: "batch/v1", kind: "Job", name: "web", uid: "j" } },
  });
  checkpoint("last", 1);
  policy(WEEK, { filter: { owners: [{ kind: "StatefulSet", names: ["web"] }, { kind: "None" }] } });
  start();
  await seconds(620);
  expect(await names()).toEqual(["job", "last", "unknown"]);
});

test("a ClusterCheckpointPolicy deletes in the namespaces with its labels", async () => {
  put("/api/v1/namespaces", { metadata: { name: "team-b", labels: {} } });
  checkpoint("a", 30);
  checkpoint("last", 1);
  const spec = (tier: string) => ({
    suspend: false,
    trigger: { heartbeat: { intervalSeconds: 600, jitterSeconds: 0 } },
    filter: { namespaceSelector: { matchLabels: { tier } } },
    action: { deleteCheckpoints: WEEK },
    deadlineSeconds: 600,
  });
  const create = (tier: string) =>
    put(`${GROUP}/clustercheckpointpolicies`, {
      apiVersion: "automation.cedana.ai/v1alpha1",
      kind: "ClusterCheckpointPolicy",
      metadata: { name: tier, generation: 1 },
      spec: spec(tier),
    });
  create("silver");
  start();
  await seconds(620);
  expect(await names()).toEqual(["a", "last"]);
  create("gold");
  await seconds(620);
  expect(await names()).toEqual(["last"]);
  expect(statusOf(`${GROUP}/clustercheckpointpolicies/silver`)).toMatchObject({ retention: { selected: 0 } });
});

test("a Checkpoint that is claimed or pinned just before its deletion stays", async () => {
  for (const days of [30, 20, 10, 1]) checkpoint(`d${days}`, days);
  policy(WEEK);
  start();
  await seconds(1);
  const edit = (name: string, change: (object: Record<string, object>) => void) =>
    cluster.api.edit(`${IN_A}/checkpoints/${name}`, (object) =>
      change(object as unknown as Record<string, object>),
    );
  cluster.before = (method, path) => {
    if (method !== "DELETE" || !path.endsWith("d30")) return;
    // The watch delivers neither before the deletions are sent.
    edit("d30", ({ status }) =>
      Object.assign(status!, { restore: { state: "Claimed", time: "2026-11-28T12:00:00Z" } }),
    );
    edit("d20", ({ spec }) => Object.assign(spec!, { pinned: true }));
    cluster.before = undefined;
  };
  await seconds(1200);
  expect(await names()).toEqual(["d1", "d20", "d30"]);
  expect(statusOf()).toMatchObject({
    retention: {
      toDelete: 0,
      kept: [
        { reason: "Pinned", count: 1 },
        { reason: "InUse", count: 1 },
        { reason: "LastGood", count: 1 },
      ],
    },
  });
});

test("a pod that shares a Checkpoint has no claim: it is found before the deletion", async () => {
  checkpoint("d1", 1);
  const { uid } = checkpoint("d30", 30).metadata;
  policy(WEEK);
  start();
  await seconds(1);
  cluster.before = (method, path) => {
    if (method !== "GET" || !path.endsWith("/pods")) return;
    cluster.before = undefined;
    put("/api/v1/namespaces/team-a/pods", {
      metadata: { name: "web-0", namespace: "team-a", labels: { "cedana.ai/restored-from": uid } },
      spec: { containers: [] },
      status: { phase: "Pending" },
    });
  };
  await seconds(1200);
  expect(await names()).toEqual(["d1", "d30"]);
});

test("does not delete when the newer Checkpoint that justifies it was just deleted", async () => {
  checkpoint("d30", 30);
  checkpoint("d1", 1);
  policy(WEEK);
  start();
  await seconds(1);
  cluster.before = (method, path) => {
    if (method !== "GET" || !path.endsWith("/d1")) return;
    cluster.before = undefined;
    cluster.api.remove(`${IN_A}/checkpoints/d1`);
  };
  await seconds(1200);
  expect(await names()).toEqual(["d30"]);
});

test("a leader that takes over after some of the deletions deletes the rest, within the deadline", async () => {
  for (let index = 0; index < 40; index++) checkpoint(`d${10 + index}`, 10 + index);
  policy(WEEK);
  const stop = start();
  await seconds(600);
  await seconds(2);
  const left = (await names()).length;
  expect(left).toBeGreaterThan(10);
  expect(left).toBeLessThan(30);
  stop();
  await seconds(3);
  expect((await names()).length).toBeGreaterThanOrEqual(left - 1);
  expect(statusOf()).not.toHaveProperty("lastRunTime");
  start();
  await seconds(10);
  expect(await names()).toEqual(["d10"]);
});

test("deletes at most 10 a second", async () => {
  for (let index = 0; index < 60; index++) checkpoint(`d${10 + index}`, 10 + index);
  policy(WEEK);
  start();
  await seconds(1);
  const times: number[] = [];
  cluster.before = (method) => void (method === "DELETE" && times.push(Date.now()));
  await seconds(620);
  expect(times).toHaveLength(59);
  expect(times.at(-1)! - times[0]!).toBeGreaterThanOrEqual(5800);
});

test.each<[string, (spec: { suspend: boolean; action: object }) => void]>([
  ["suspended", (spec) => void (spec.suspend = true)],
  ["a dry run", (spec) => void (spec.action = { deleteCheckpoints: { ...WEEK, dryRun: true } })],
  ["changed", (spec) => void (spec.action = { deleteCheckpoints: { olderThanSeconds: 90 * 86_400 } })],
  ["removed", () => cluster.api.remove(`${IN_A}/checkpointpolicies/retention`)],
])("a policy that is %s during its run deletes nothing more", async (_, change) => {
  for (let index = 0; index < 40; index++) checkpoint(`d${10 + index}`, 10 + index);
  policy(WEEK);
  start();
  await seconds(602);
  const left = (await names()).length;
  expect(left).toBeLessThan(35);
  const { spec } = cluster.api.get(`${IN_A}/checkpointpolicies/retention`) as never;
  change(spec);
  if (cluster.api.get(`${IN_A}/checkpointpolicies/retention`))
    cluster.api.edit(`${IN_A}/checkpointpolicies/retention`, (object) => {
      object["spec"] = spec;
      object.metadata["generation"] = 2;
    });
  await seconds(300);
  // One may be in progress.
  expect((await names()).length).toBeGreaterThanOrEqual(left - 1);
  // What it deleted is not the result of a run of the policy as it is now.
  expect(statusOf()).not.toHaveProperty("retention.deleted");
});

test("reports a deletion that the API server rejects, and continues with the others", async () => {
  for (const days of [30, 20, 1]) checkpoint(`d${days}`, days);
  policy(WEEK);
  start();
  await seconds(1);
  const send = cluster.api.send.bind(cluster.api);
  cluster.api.send = async (...given) => {
    if (given[0] !== "DELETE" || !given[1].endsWith("/d30")) return send(...given);
    throw new ApiError(403, "forbidden by a policy");
  };
  await seconds(660);
  expect(await names()).toEqual(["d1", "d30"]);
  expect(statusOf()["lastFailures"]).toMatchObject([
    {
      namespace: "team-a",
      pod: "web-0",
      reason: "DeletionRejected",
      message: "Checkpoint team-a/d30: forbidden by a policy",
    },
  ]);
});

test.each([
  [{ trigger: { manual: {} } }, "the trigger manual is due for a pod, and the action does not work on pods"],
  [
    { filter: { pods: { matchLabels: { app: "web" } } } },
    "the filter pods selects no Checkpoints: they do not record it of their pods",
  ],
])("a policy that the API server should have rejected deletes nothing: %j", async (more, message) => {
  for (const days of [30, 20]) checkpoint(`d${days}`, days);
  policy(WEEK, more);
  start();
  await seconds(1300);
  expect(await names()).toHaveLength(2);
  const { conditions } = statusOf() as { conditions: { type: string; message: string; status: string }[] };
  expect(conditions.find(({ type }) => type === "Failed")).toMatchObject({ status: "True", message });
});

test("a policy that is deleted during a decision for its status leaves nothing in the state", async () => {
  for (let index = 0; index < 1200; index++) checkpoint(`d${index}`, 1 + index / 1000);
  policy(WEEK);
  const kept = async () =>
    /cedana_policy_checkpoints_kept\{reason="LastGood"\} (\d+)/.exec(
      await cluster.metrics.registry.metrics(),
    )?.[1];
  const plan = jest.spyOn(Retention.prototype, "plan");
  start();
  await seconds(40);
  expect(await kept()).toBe("1");
  const { calls } = plan.mock;
  const before = calls.length;
  cluster.api.edit(`${IN_A}/checkpoints/d0`, ({ metadata }) => void (metadata["annotations"] = {}));
  while (calls.length === before) await jest.advanceTimersToNextTimerAsync();
  cluster.api.remove(`${IN_A}/checkpointpolicies/retention`);
  await seconds(40);
  expect(await kept()).toBe("0");
  plan.mockRestore();
});
