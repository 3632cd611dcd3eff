/**
 * Kills the agent's process at every step, and at random steps. Whatever the service of the node and the runtime did meanwhile,
 * each request has an outcome, it is the real one, and nothing of a finished or deleted request is left on the node.
 */
import { SEED, seeded, SOAK } from "../../../../../testbed/random";
import { VirtualTime } from "../../../../support/virtual-time";
import type { ServiceResponse } from "./service";
import { CHECKPOINTS, Node, RESTORES } from "./support";

const CP = `${CHECKPOINTS}/cp`;
const POD = `${RESTORES}/pod-1`;

let time: VirtualTime;
beforeEach(() => {
  time = new VirtualTime().install();
});
afterEach(() => time.uninstall());

const SCENARIOS: Readonly<
  Record<
    string,
    { responses?: ServiceResponse[]; ends: RegExp; deleted?: boolean; spec?: object; registryDownMs?: number }
  >
> = {
  "the checkpoint is taken": { ends: /^Ready CheckpointCompleted$/ },
  "the response is lost": { responses: ["lost"], ends: /^Ready CheckpointCompleted$/ },
  "the service is interrupted": { responses: ["interrupted"], ends: /^Ready CheckpointCompleted$/ },
  "the dump fails": {
    responses: [{ reason: "DumpFailed" }],
    ends: /^(Failed CheckpointFailed|Ready CheckpointCompleted)$/,
  },
  "the processes end and the push fails until after the timeout": {
    responses: ["lost"],
    spec: { options: { leaveRunning: false }, timeoutSeconds: 1 },
    registryDownMs: 1500,
    ends: /^Ready CheckpointCompleted$/,
  },
  "the NodeCheckpoint is deleted": { ends: /^- -$/, deleted: true },
};

test.each(Object.entries(SCENARIOS))(
  "a checkpoint recovers from a kill at each step: %s",
  async (_, scenario) => {
    let died = 0;
    for (let dieAt = 1; dieAt <= 40; dieAt++) {
      const node = new Node(time);
      node.model.responses = [...(scenario.responses ?? [])];
      node.checkpoint("cp", scenario.spec);
      node.model.registryDown = scenario.registryDownMs !== undefined;
      setTimeout(() => (node.model.registryDown = false), scenario.registryDownMs ?? 0);
      const first = node.start({ dieAt });
      if (scenario.deleted) setTimeout(() => node.api.remove(CP), dieAt % 12);
      const isOver = () => node.isOver(CP) && node.entries.size === 0;
      await node.until(() => first.dead || isOver());
      if (first.dead) died++;
      first.kill();
      await node.start().ready;
      await node.until(() => isOver() && (!scenario.deleted || node.api.get(CP) === undefined));
      await time.settle(node.model.settled());
      await node.until(() => node.model.checkpoints.size === 0);
      expect(node.condition(CP)).toMatch(scenario.ends);
      expect(node.model.violations).toEqual([]);
      node.end();
    }
    expect(died).toBeGreaterThanOrEqual(10);
  },
);

test.each([
  ["is restored", {}, "Ready Restored", {}],
  ["runs before its memory has arrived", {}, "Ready Restored", { lazy: true }],
  ["cannot be restored", { fails: "CRIUFailed" }, "Failed StartedFresh", {}],
])("a restore recovers from a kill at each step: the pod %s", async (_, pod, condition, spec) => {
  let died = 0;
  for (let dieAt = 1; dieAt <= 40; dieAt++) {
    const node = new Node(time);
    node.restore("pod-1", spec);
    void node.model.create("pod-1", pod);
    const first = node.start({ dieAt });
    await node.until(() => first.dead || node.isOver(POD));
    if (first.dead) died++;
    first.kill();
    await node.start().ready;
    await node.finished(POD);
    expect(node.condition(POD)).toBe(condition);
    expect(node.model.pods.get("pod-1")?.arriving ?? 0).toBe(0);
    expect(node.model.pods.size).toBe(1);
    node.api.remove(POD);
    await node.until(() => node.model.pods.size + node.model.stagings.size === 0);
    node.end();
  }
  expect(died).toBeGreaterThanOrEqual(15);
});

test("a plan is deleted if the NodeRestore is deleted at any time and the process dies at any step", async () => {
  for (let dieAt = 1; dieAt <= 30; dieAt++) {
    const node = new Node(time);
    node.restore("pod-1");
    const first = node.start({ dieAt });
    setTimeout(() => node.api.remove(POD), dieAt % 10);
    await node.until(() => node.api.get(POD) === undefined);
    await time.pass(20);
    first.kill();
    await node.start().ready;
    await time.pass(50);
    expect([...node.model.pods.keys(), ...node.model.stagings.keys()]).toEqual([]);
    node.end();
  }
});

/** The condition for each decision of the runtime. */
const OUTCOMES: Readonly<Record<string, string>> = {
  restore: "Ready Restored",
  fresh: "Failed StartedFresh",
  fail: "Failed RestoreFailed",
};

const SCHEDULES = SOAK ? 10_000 : 150;

test("requests recover in random schedules of kills, faults, other writers and deletions", async () => {
  for (let seed = SEED; seed < SEED + SCHEDULES; seed++) {
    const random = seeded(seed);
    const pick = (count: number) => Math.floor(random() * count);
    const node = new Node(time);
    const { model } = node;
    model.dumpMs = 1 + pick(6);
    const responses: ServiceResponse[] = [
      "taken",
      "lost",
      "unavailable",
      "interrupted",
      { reason: "DumpFailed" },
    ];
    model.responses = Array.from({ length: pick(5) }, () => responses[pick(responses.length)]!);
    node.checkpoint("cp", { options: { leaveRunning: random() < 0.5 } });
    node.checkpoint("cp-2");
    const pods = ["pod-1", "pod-2", "pod-3"];
    for (const pod of pods) {
      node.restore(pod, { fallback: random() < 0.5 ? "fresh" : "stop", lazy: seed % 2 === 0 });
      const fails = random() < 0.3 ? { fails: "CRIUFailed" } : {};
      setTimeout(() => void model.create(pod, { waitMs: 300, ...fails }), pick(60));
    }
    node.api.after = ({ method }) => {
      if (method !== "WATCH" && random() < 0.05) throw new Error("no response within 30 s");
    };
    for (let restarts = pick(4); restarts > 0; restarts--) {
      const one = node.start({ dieAt: 1 + pick(90) });
      await time.pass(pick(80));
      model.registryDown = random() < 0.3;
      model.serviceDown = random() < 0.2;
      if (random() < 0.3) node.api.remove(`${RESTORES}/${pods[pick(3)]}`);
      if (random() < 0.2) node.api.remove(CP);
      if (random() < 0.3) {
        void one.stop();
        await time.pass(50);
      }
      one.kill();
    }
    node.api.after = undefined;
    Object.assign(model, { registryDown: false, serviceDown: false });
    await node.start().ready;
    await node.finished(CP, `${CHECKPOINTS}/cp-2`, ...pods.map((pod) => `${RESTORES}/${pod}`));
    await time.settle(model.settled());
    await node.until(() => model.checkpoints.size === 0);
    const isKept = (pod: string) => node.api.get(`${RESTORES}/${pod}`) !== undefined;
    const kept = pods.filter(isKept);
    await node.until(() => pods.every((pod) => isKept(pod) || model.pods.get(pod)?.plan === undefined));
    const seen = kept.map((pod) => node.condition(`${RESTORES}/${pod}`));
    const real = kept.map((pod) => OUTCOMES[model.pods.get(pod)?.decision ?? ""]);
    expect({ seed, seen }).toEqual({ seed, seen: real });
    expect({ seed, violations: model.violations }).toEqual({ seed, violations: [] });
    node.end();
    await time.pass(400);
  }
});
