/** More pods are due than the limits admit, or other Checkpoints must not cover a pod. */
import { atOnce } from "../../../../kube";
import { PolicyEngine } from "../../../../controller/policies/core/engine";
import { FILTERS } from "../../../../controller/policies/filters";
import { TRIGGERS } from "../../../../controller/policies/triggers";
import { MINUTE, podOf, policyOf, START, World } from "./support";

const every = (intervalSeconds: number) => ({
  trigger: { heartbeat: { intervalSeconds, jitterSeconds: 0 } },
});
/** Requests a pod every minute, at a second of it. */
const atSecond = (second: number) => ({
  trigger: { manual: {} },
  minSpacingSeconds: 0,
  deadlineSeconds: 600,
  filter: { pods: { matchLabels: { at: String(second) } } },
});

test("no pod starves while others are due again and again", () => {
  // The node has room for two Checkpoints a minute, and five pods are due in it.
  const world = new World({ maxPerNode: 1, durationMs: () => 30_000 });
  const seconds = [5, 10, 20, 35, 50];
  for (const second of seconds) world.policy(`p${second}`, atSecond(second));
  for (let minute = 0; minute < 60; minute++) {
    for (const second of seconds) {
      world.until(START + minute * MINUTE + second * 1000);
      world.pod(`a${second}`, { labels: { at: String(second) }, requestedMs: world.nowMs });
    }
  }
  const counts = seconds.map((second) => world.starts.filter(({ pod }) => pod === `a${second}`).length);
  expect(Math.min(...counts)).toBeGreaterThanOrEqual(Math.max(...counts) - 1);
  expect(counts.reduce((sum, count) => sum + count)).toBeGreaterThan(100);
});

test("reports a pod that waits for longer than its deadline, although it becomes due again and again", () => {
  const messages: string[] = [];
  const world = new World({
    maxInFlight: 1,
    durationMs: ({ policy }) => (policy.uid === "long" ? 45 * MINUTE : 5000),
    failed: (_, { message }) => void messages.push(message.slice(0, 31)),
  });
  const of = (app: string) => ({ filter: { pods: { matchLabels: { app } } } });
  world.policy("long", { trigger: { manual: {} }, ...of("long") });
  world.policy("p", { ...every(60), deadlineSeconds: 600, ...of("short") });
  world.pod("long", { labels: { app: "long" }, requestedMs: START });
  world.pod("short", { labels: { app: "short" } });
  world.pass(44 * MINUTE);
  expect(world.starts.map(({ pod }) => pod)).toEqual(["long"]);
  // Once the deadline of the first time has passed, that of the last one counts.
  expect(messages).toEqual([
    "due at 2026-11-01T00:01:00.000Z",
    "due at 2026-11-01T00:11:00.000Z",
    "due at 2026-11-01T00:21:00.000Z",
    "due at 2026-11-01T00:31:00.000Z",
  ]);
  expect(world.engine.view("p")).toMatchObject({ waiting: 1 });
  world.pass(2 * MINUTE);
  const [, first] = world.starts;
  expect(first).toMatchObject({ pod: "short", atMs: START + 45 * MINUTE, dueMs: START + 45 * MINUTE });
});

test("a failed Checkpoint of another policy does not cover the pod", () => {
  const world = new World({ fails: ({ policy }) => policy.uid === "p" });
  world.policy("p", every(1200));
  world.policy("q", { ...every(1500), minSpacingSeconds: 900 });
  world.pod("a");
  world.pass(36 * MINUTE);
  const ofQ = world.starts.filter(({ policy }) => policy === "q");
  // What is due at 30 minutes waits for the spacing to that of p, which failed at 20 minutes.
  expect(ofQ.map(({ atMs }) => (atMs - START) / MINUTE)).toEqual([5, 35]);
});

test("a Checkpoint of an earlier pod with the same name does not cover the pod", () => {
  const world = new World();
  world.policy("p", every(1200));
  world.policy("q", { ...every(1500), minSpacingSeconds: 900 });
  world.pod("old", { name: "web-0" });
  world.pass(21 * MINUTE);
  world.engine.removePod("old");
  world.pods.delete("old");
  world.pod("new", { name: "web-0" });
  world.pass(15 * MINUTE);
  expect(world.starts.map(({ pod, policy }) => `${pod} ${policy}`)).toEqual(["old q", "old p", "new q"]);
});

test("the failures of one pod do not replace those of other pods in the status", () => {
  const world = new World({ fails: () => true });
  world.policy("p", every(60));
  world.pod("a");
  world.pass(30 * MINUTE);
  world.pod("b");
  world.pass(10 * MINUTE);
  world.engine.removePod("b");
  world.pods.delete("b");
  world.pass(30 * MINUTE);
  const { failures } = world.engine.view("p") ?? { failures: [] };
  expect(new Set(failures.map(({ pod }) => pod))).toEqual(new Set(["a", "b"]));
});

test("a run that is retried after the next one was due does not start after its own deadline", () => {
  const missed: number[] = [];
  const engine = new PolicyEngine({
    triggers: TRIGGERS,
    filters: FILTERS,
    maxPerNode: 1,
    maxInFlight: 1,
    checkpointsOf: () => [],
    checkpointAt: () => undefined,
    report: (outcome, _, { dueMs }) => void (outcome === "missed" && missed.push((dueMs - START) / MINUTE)),
  });
  engine.setPolicy(policyOf("p", { ...every(60), minSpacingSeconds: 0, deadlineSeconds: 90 }), START);
  engine.setPod(podOf("a", { createdMs: START }), START);
  atOnce(engine.starting(() => START));
  const [first] = engine.advance(START + 1.9 * MINUTE);
  // The pod is due again while the request is in progress.
  expect(engine.advance(START + 2 * MINUTE)).toEqual([]);
  engine.retryRun(first!, START + 2.6 * MINUTE, "socket hang up");
  expect(engine.advance(START + 2.5 * MINUTE)).toEqual([]);
  expect(missed).toEqual([1]);
  expect(engine.advance(START + 2.6 * MINUTE)).toMatchObject([{ dueMs: START + 2 * MINUTE }]);
});
