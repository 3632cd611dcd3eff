import { atOnce } from "../../../../kube";
import { PolicyEngine } from "../../../../controller/policies/core/engine";
import type { CheckpointFact, Filter, Run, Trigger } from "../../../../controller/policies/core/types";
import { FILTERS } from "../../../../controller/policies/filters";
import { TRIGGERS } from "../../../../controller/policies/triggers";
import { HOUR, MINUTE, podOf, policyOf, START, World } from "./support";

const every = (seconds: number, jitterSeconds = 0) => ({
  trigger: { heartbeat: { intervalSeconds: seconds, jitterSeconds } },
});
const times = (world: World) => world.starts.map(({ atMs }) => (atMs - START) / MINUTE);

test("checkpoints each pod that matches at each tick, and no other", () => {
  const world = new World();
  world.policy("p", { ...every(600), filter: { pods: { matchLabels: { app: "web" } } } });
  world.pod("web", { labels: { app: "web" } });
  world.pod("db", { labels: { app: "db" } });
  world.pod("elsewhere", { labels: { app: "web" }, namespace: "team-b" });
  world.pass(35 * MINUTE);
  expect(world.starts.map(({ pod }) => pod)).toEqual(["web", "web", "web"]);
  expect(times(world)).toEqual([10, 20, 30]);
  expect(world.engine.view("p")).toMatchObject({
    matchedPods: 1,
    inFlight: 0,
    waiting: 0,
    lastRunMs: START + 30 * MINUTE,
    nextRunMs: START + 40 * MINUTE,
  });
});

test("a leader starts one policy after the other, and misses nothing that changes meanwhile", () => {
  const engine = new PolicyEngine({
    triggers: TRIGGERS,
    filters: FILTERS,
    maxPerNode: 1,
    maxInFlight: 10,
    checkpointsOf: () => [],
    checkpointAt: () => undefined,
  });
  const web = { filter: { pods: { matchLabels: { app: "web" } } } };
  const matched = () => ["p", "q", "r"].map((uid) => engine.view(uid)?.matchedPods);
  const pod = (uid: string, app: string) => engine.setPod(podOf(uid, { labels: { app } }), START);
  engine.setPolicy(policyOf("p", { ...every(600), ...web }), START);
  engine.setPolicy(policyOf("q", { ...every(600), ...web }), START);
  pod("a", "web");
  pod("b", "web");
  const steps = engine.starting(() => START);
  expect(matched()).toEqual([0, 0, undefined]);
  steps.next();
  expect(matched()).toEqual([2, 0, undefined]);
  pod("a", "db");
  pod("c", "web");
  pod("d", "web");
  engine.removePod("b");
  engine.setPolicy(policyOf("r", { ...every(600), ...web }), START);
  expect(matched()).toEqual([2, 0, 0]);
  atOnce(steps);
  expect(matched()).toEqual([2, 2, 2]);
  pod("d", "db");
  expect(matched()).toEqual([1, 1, 1]);
});

test("a Checkpoint that ends while a leader starts its policies is not missed", () => {
  const facts: CheckpointFact[] = [];
  const engine = new PolicyEngine({
    triggers: TRIGGERS,
    filters: FILTERS,
    maxPerNode: 1,
    maxInFlight: 10,
    checkpointsOf: () => facts,
    checkpointAt: () => undefined,
  });
  for (const uid of ["p", "q"]) engine.setPolicy(policyOf(uid, { trigger: { checkpointEnded: {} } }), START);
  engine.setPod(podOf("a"), START);
  const steps = engine.starting(() => START);
  steps.next();
  const end = { state: "completed", createdMs: START, endedMs: START + 1000 } as const;
  facts.push({ key: "team-a/c", pod: "team-a/a", podUID: "a", ...end });
  for (const fact of facts) engine.setCheckpoint(fact);
  atOnce(steps);
  expect(["p", "q"].map((uid) => engine.view(uid)?.nextRunMs)).toEqual([START + 1000, START + 1000]);
});

test("does nothing while it is suspended, and makes up nothing afterwards", () => {
  const world = new World();
  world.policy("p", { ...every(600), suspend: true });
  world.pod("a");
  world.pass(25 * MINUTE);
  expect(world.starts).toEqual([]);
  world.policy("p", every(600), { generation: 2 });
  world.pass(4 * MINUTE);
  expect(world.starts).toEqual([]);
  world.pass(2 * MINUTE);
  expect(times(world)).toEqual([30]);
});

test("a pod that is deleted or no longer matches is not checkpointed", () => {
  const world = new World();
  world.policy("p", { ...every(600), filter: { pods: { matchLabels: { app: "web" } } } });
  world.pod("a", { labels: { app: "web" } });
  world.pod("b", { labels: { app: "web" } });
  world.pass(5 * MINUTE);
  world.pod("a", { labels: {} });
  world.engine.removePod("b");
  world.pass(HOUR);
  expect(world.starts).toEqual([]);
  expect(world.engine.view("p")).toMatchObject({ matchedPods: 0 });
});

test("a Checkpoint that the cache has before its creation is reported as lost still counts", () => {
  const runs: Run[] = [];
  const world = new World({
    durationMs: (run) => {
      runs.push(run);
      return HOUR;
    },
  });
  world.policy("p", every(600));
  world.pod("a");
  world.pass(10 * MINUTE);
  const [run] = runs;
  world.engine.retryRun(run!, world.nowMs + 1000, "socket hang up");
  expect(world.engine.view("p")).toMatchObject({ inFlight: 1, waiting: 0 });
  world.pass(5 * MINUTE);
  expect([world.starts.length, world.outcomes.some(({ outcome }) => outcome === "missed")]).toEqual([
    1,
    false,
  ]);
});

test("one Checkpoint covers the ticks of other policies and the Checkpoints of other clients", () => {
  const world = new World();
  world.policy("p", every(600));
  world.policy("q", { ...every(1200), minSpacingSeconds: 120 });
  world.pod("a");
  world.pass(9 * MINUTE);
  world.checkpoint("team-a/a");
  world.pass(16 * MINUTE);
  // At 10 minutes the client's Checkpoint is 60 s old, as the spacing of p. At 20 minutes one covers the other.
  expect(times(world)).toEqual([10, 20]);
  expect(world.outcomes.filter(({ outcome }) => outcome === "covered")).toHaveLength(1);
});

test("waits for an open Checkpoint of another client, and is then covered or starts", () => {
  const world = new World();
  world.policy("p", every(600));
  world.pod("a");
  world.pass(9 * MINUTE + 50_000);
  world.checkpoint("team-a/a", 30_000);
  world.pass(5 * MINUTE);
  expect(world.starts).toEqual([]);
  expect(world.outcomes).toEqual([expect.objectContaining({ outcome: "covered" })]);

  world.pass(4 * MINUTE + 30_000);
  world.checkpoint("team-a/a", 3 * MINUTE);
  world.pass(10 * MINUTE);
  // The tick of 20 minutes starts when the Checkpoint of 19:20 ends.
  expect(times(world)).toEqual([22 + 1 / 3]);
});

test("keeps the limits of the node, the policy and all policies, and starts the rest as slots become free", () => {
  const world = new World({ maxPerNode: 2, maxInFlight: 5 });
  for (const policy of ["p", "q"]) {
    world.policy(policy, {
      ...every(3600),
      maxInFlight: 4,
      filter: { pods: { matchLabels: { app: policy } } },
    });
    for (let pod = 0; pod < 12; pod++)
      world.pod(`${policy}-${pod}`, { labels: { app: policy }, nodeName: `n${pod % 4}` });
  }
  world.pass(HOUR + 10 * MINUTE);
  expect(world.starts).toHaveLength(24);
  expect(new Set(world.starts.map(({ pod }) => pod)).size).toBe(24);
  // The policies take turns, so none of them has more than three of five.
  expect(world.most).toEqual({ all: 5, policy: 3, node: 2 });
});

test("leaves out what cannot start before the deadline, with what it waited for", () => {
  const world = new World({ durationMs: () => 5 * MINUTE });
  world.policy("p", { ...every(3600), maxInFlight: 1, deadlineSeconds: 720 });
  for (const pod of ["a", "b", "c", "d", "e"]) world.pod(pod);
  world.pass(HOUR + 30 * MINUTE);
  expect(times(world)).toEqual([60, 65, 70]);
  const { failures } = world.engine.view("p") ?? { failures: [] };
  expect(failures).toHaveLength(2);
  expect(failures[0]).toMatchObject({
    namespace: "team-a",
    reason: "DeadlineExceeded",
    message:
      "due at 2026-11-01T01:00:00.000Z and not started within deadlineSeconds (720): the policy has 1 Checkpoints in flight",
  });
});

test("a pod whose Checkpoints fail backs off with the reason, and a completed one ends it", () => {
  let broken = true;
  const world = new World({ fails: () => broken });
  world.policy("p", every(60));
  world.pod("a");
  world.pass(40 * MINUTE);
  // Each failure doubles the delay: 1, 2, 4, 8, 16 minutes after its end.
  expect(times(world)).toEqual([1, 3, 6, 11, 20, 37]);
  const { failures } = world.engine.view("p") ?? { failures: [] };
  expect(failures[0]).toMatchObject({ pod: "a", reason: "CheckpointFailed" });
  expect(failures[0]?.message).toContain("6 failed in a row; not due again before ");
  expect(failures[0]?.message).toContain("The last one: criu failed");
  broken = false;
  const before = world.starts.length;
  world.pass(2 * HOUR);
  // Once one is completed, each tick starts again.
  expect(times(world)[before]).toBe(70);
  expect(times(world).slice(before + 1, before + 4)).toEqual([71, 72, 73]);
});

test("the backoff survives a change of the leader, and not the pod", () => {
  const world = new World({ fails: () => true });
  world.policy("p", every(60));
  world.pod("a");
  world.pass(12 * MINUTE);
  expect(times(world)).toEqual([1, 3, 6, 11]);
  world.changeLeader(10_000);
  world.pass(6 * MINUTE);
  expect(times(world)).toHaveLength(4);
  // A new pod with the same name, as of a StatefulSet.
  world.engine.removePod("a");
  world.pod("b", { name: "a" });
  world.pass(2 * MINUTE);
  expect(world.starts.at(-1)).toMatchObject({ pod: "b" });
});

test("a new leader makes up one missed tick within the deadline, and none of before the pod and the policy", () => {
  const world = new World();
  world.policy("p", { ...every(120), minSpacingSeconds: 0 });
  world.policy("late", { ...every(120), minSpacingSeconds: 0 }, { sinceMs: START + 10.5 * MINUTE });
  world.pod("a");
  world.pass(4 * MINUTE + 1000);
  world.changeLeader(7 * MINUTE);
  world.pod("young");
  world.pass(2000);
  expect(world.starts.map(({ pod, policy, atMs }) => [pod, policy, (atMs - START) / 1000])).toEqual([
    ["a", "p", 120],
    ["a", "p", 240],
    ["a", "p", 661],
  ]);
});

test("evaluates the running time when a pod is due", () => {
  const world = new World();
  world.policy("p", { ...every(600), filter: { minRunningSeconds: 900 } });
  world.pod("a", { runningSinceMs: START + MINUTE });
  world.pass(25 * MINUTE);
  expect(times(world)).toEqual([20]);
  expect(world.outcomes[0]).toMatchObject({ outcome: "filtered" });
});

test("a request is taken once, also if it was made before the pod ran, and each later one again", () => {
  const world = new World();
  const manual = { trigger: { manual: {} } };
  world.policy("p", manual);
  world.pod("a", { phase: "Pending", runningSinceMs: undefined });
  world.pass(MINUTE);
  const requestedMs = world.nowMs;
  world.pod("a", { phase: "Pending", runningSinceMs: undefined, requestedMs });
  world.pass(MINUTE);
  expect(world.starts).toEqual([]);
  world.pod("a", { requestedMs });
  world.pass(MINUTE);
  expect(world.starts).toHaveLength(1);
  world.changeLeader(1000);
  world.pass(MINUTE);
  expect(world.starts).toHaveLength(1);
  // The clock of the user is behind: the time is before the last start, and after the last request.
  world.pod("a", { requestedMs: requestedMs + 1000 });
  world.pass(2 * MINUTE);
  expect(world.starts).toHaveLength(2);
  // One in the future is due then.
  world.pod("a", { requestedMs: world.nowMs + 30 * MINUTE });
  world.pass(29 * MINUTE);
  expect(world.starts).toHaveLength(2);
  world.pass(2 * MINUTE);
  expect(world.starts).toHaveLength(3);
});

test("a request is not covered by a Checkpoint of before it, and waits for the spacing", () => {
  const world = new World();
  world.policy("p", { trigger: { manual: {} } });
  world.pod("a");
  world.checkpoint("team-a/a", 5000);
  world.pass(10_000);
  world.pod("a", { requestedMs: world.nowMs });
  world.pass(MINUTE);
  expect(times(world)).toEqual([1]);
  world.pass(MINUTE);
  // A Checkpoint of after the request covers it.
  world.pod("a", { requestedMs: world.nowMs + 10_000 });
  world.pass(5000);
  world.checkpoint("team-a/a", 10_000);
  world.pass(20_000);
  expect(times(world)).toEqual([1]);
  world.pass(MINUTE);
  expect(times(world)).toHaveLength(2);
});

test("a request in the second in which the pod was created is taken, one of before is not", () => {
  const world = new World();
  world.policy("p", { trigger: { manual: {} } });
  world.pod("a", { createdMs: START, requestedMs: START });
  world.pod("b", { createdMs: START, requestedMs: START - 1000 });
  world.pass(MINUTE);
  expect(world.starts.map(({ pod }) => pod)).toEqual(["a"]);
});

test("a cluster policy follows the labels of namespaces", () => {
  const world = new World();
  world.namespace("team-a", { tier: "gold" });
  world.namespace("team-b", {});
  const filter = { namespaceSelector: { matchLabels: { tier: "gold" } } };
  world.policy("p", { ...every(600), filter }, { namespace: undefined });
  world.pod("a");
  world.pod("b", { namespace: "team-b" });
  world.pass(15 * MINUTE);
  world.namespace("team-b", { tier: "gold" });
  world.namespace("team-a", {});
  world.pass(10 * MINUTE);
  expect(world.starts.map(({ pod }) => pod)).toEqual(["a", "b"]);
});

test("a Checkpoint that the cache never receives is released after 5 minutes", () => {
  const world = new World();
  world.policy("p", { ...every(600), maxInFlight: 1 });
  world.pod("a");
  world.engine.setCheckpoint = () => false;
  world.pass(11 * MINUTE);
  expect(world.engine.view("p")).toMatchObject({ inFlight: 1 });
  world.pass(5 * MINUTE);
  expect(world.engine.view("p")).toMatchObject({ inFlight: 0 });
});

test.each([
  ["an unknown trigger", { trigger: { moon: {} } }, "this controller does not have the trigger moon"],
  ["an unknown filter", { filter: { moon: {} } }, "this controller does not have the filter moon"],
  [
    "a cron that never occurs",
    { trigger: { heartbeat: { cron: "0 0 31 2 *" } } },
    /^cron 0 0 31 2 \* never occurs$/,
  ],
  [
    "a time zone that does not exist",
    { trigger: { heartbeat: { cron: "0 0 * * *", timeZone: "Mars/Olympus" } } },
    /^cron 0 0 \* \* \* in the time zone Mars\/Olympus is invalid: /,
  ],
])("a policy with %s checkpoints no pod and has the reason", (_, spec, problem) => {
  const world = new World();
  world.policy("p", spec);
  world.pod("a");
  world.pass(24 * HOUR);
  expect(world.starts).toEqual([]);
  expect(world.engine.view("p")).toMatchObject({
    problem: { message: expect.stringMatching(problem) },
    matchedPods: 0,
  });
});

test("a trigger and a filter are one entry of a table each", () => {
  const hourly: Trigger<{ minute: number }> = {
    next: ({ minute }, _, afterMs) =>
      Math.floor((afterMs - minute * MINUTE) / HOUR + 1) * HOUR + minute * MINUTE,
    done: (dueMs) => dueMs,
  };
  const named: Filter<string> = { matches: (name, pod) => pod.name === name };
  const world = new World({ triggers: { ...TRIGGERS, hourly }, filters: { ...FILTERS, named } });
  world.policy("p", { trigger: { hourly: { minute: 7 } }, filter: { named: "b" } });
  world.pod("a");
  world.pod("b");
  world.pass(3 * HOUR);
  expect(world.starts.map(({ pod }) => pod)).toEqual(["b", "b", "b"]);
  expect(times(world)).toEqual([7, 67, 127]);
});

test.each(["suspend", "checkpointThenDelete"])(
  "%s needs a Checkpoint of its own: one of another client delays it, and does not replace it",
  (action) => {
    const world = new World();
    world.policy("p", {
      action: { [action]: {} },
      trigger: { heartbeat: { intervalSeconds: 3600, jitterSeconds: 0 } },
    });
    world.pod("a");
    world.pass(HOUR - 30_000);
    world.checkpoint("team-a/a");
    world.pass(5 * MINUTE);
    expect(world.starts).toEqual([
      { pod: "a", policy: "p", dueMs: START + HOUR, atMs: START + HOUR + 30_000 },
    ]);
  },
);
