/**
 * What settings of the gate do to the life of nodes: taint on loss and its brake, opening after a time, dry run, and what
 * is left when nodes or agents go. Each has a gate and a controller of its own; the waits of a minute run side by side.
 */
import { eventually } from "./support/apiserver";
import type { Fleet } from "./support/controller-fleet";
import type { Gate } from "./support/controller-gate";
import { AGENTS, GATE, conditionOf } from "./support/controller-objects";
import { foreignChanges } from "./support/controller-oracle";
import { Suite, describeController, nodesOf, pause } from "./support/controller-suite";

describeController("settings of the gate", () => {
  const suite = new Suite();
  const gates: Record<"open" | "left" | "loss" | "dry", Gate> = Object.create(null);
  const fleets: Fleet[] = [];
  const [waiting = ""] = nodesOf("set-open", 1);
  const [served = "", unserved = ""] = nodesOf("set-left", 2);
  const [orphan = ""] = nodesOf("set-orphan", 1);
  let begun = 0;
  /** Seconds since the waits of a minute began. */
  const since = () => (Date.now() - begun) / 1000;

  beforeAll(async () => {
    const start = async (name: keyof typeof gates, settings: Parameters<Suite["fleet"]>[1]) => {
      gates[name] = await suite.gate(`set-${name}`);
      fleets.push(await suite.fleet(gates[name], settings));
    };
    await Promise.all([
      start("open", { settings: { failOpenAfterSeconds: 60 } }),
      start("left", {}),
      start("loss", { settings: { retaint: { holdOffSeconds: 2, maxUnreadyPercent: 40 } } }),
      start("dry", { settings: { dryRun: true } }),
    ]);
    await gates.open.join(waiting);
    await gates.loss.join(orphan);
    await gates.left.join(served);
    await gates.left.join(unserved);
    await gates.left.setAllReady(served, true);
    await gates.left.untilUntainted([served]);
    await eventually(10, "both conditions are there", async () =>
      [served, unserved].every((node) => gates.left.condition(node) !== undefined),
    );
    await gates.left.removeAgents();
    await gates.loss.patchNode(orphan, { metadata: { labels: { [GATE]: null } } });
    begun = Date.now();
  });

  afterAll(() => suite.close());

  const events = async (gate: Gate, node: string): Promise<string[]> => {
    const path = `/apis/events.k8s.io/v1/events?fieldSelector=regarding.kind=Node,regarding.name=${node}`;
    const { body } = await gate.api.request<{ items: { reason: string }[] }>("GET", path);
    return body.items.map(({ reason }) => reason);
  };

  test(
    "dry run writes nothing to nodes",
    suite.run(async () => {
      const [node = "", other = ""] = nodesOf("set-dry", 2);
      await gates.dry.join(node);
      await gates.dry.join(other);
      await gates.dry.setAllReady(node, true);
      await pause(3000);
      const written = fleets
        .flatMap(({ exchanges }) => exchanges)
        .filter(({ method, path }) => {
          return method !== "GET" && (path.includes(node) || path.includes(other));
        });
      expect(written.map(({ method, path }) => `${method} ${path}`)).toEqual([]);
      expect([gates.dry.isTainted(node), gates.dry.condition(node)]).toEqual([true, undefined]);
    }),
  );

  test(
    "retaint: a node that loses an agent gets the taint again, but not one that Karpenter has initialized",
    suite.run(async () => {
      const [node = "", karpenter = "", ...others] = nodesOf("set-loss", 6);
      await gates.loss.join(karpenter, { labels: { "karpenter.sh/initialized": "true" } });
      for (const name of [node, ...others]) await gates.loss.join(name);
      for (const name of [node, karpenter, ...others]) await gates.loss.setAllReady(name, true);
      await gates.loss.untilUntainted([node, karpenter, ...others]);
      await gates.loss.setReady(node, "health-check", false);
      await gates.loss.setReady(karpenter, "health-check", false);
      await eventually(15, "the taint is back", async () => gates.loss.isTainted(node));
      await eventually(15, "the condition says what was lost", async () => {
        const seen = gates.loss.node(node);
        return seen !== undefined && conditionOf(seen)?.reason === "AgentLost";
      });
      expect(gates.loss.isTainted(karpenter)).toBe(false);
      for (const name of [node, karpenter]) await gates.loss.setReady(name, "health-check", true);
      await gates.loss.untilUntainted([node]);
      // Short losses, as a restart of the agent, are none.
      await gates.loss.setReady(node, "helper", false);
      await pause(500);
      await gates.loss.setReady(node, "helper", true);
      await pause(3000);
      expect(gates.loss.timesTainted(node)).toBe(2);
    }),
  );

  test(
    "storm brake: when too many nodes lose an agent at once, no more of them get the taint",
    suite.run(async () => {
      const nodes = nodesOf("set-loss", 6);
      const lost = nodes.slice(2);
      await Promise.all(lost.map((node) => gates.loss.setReady(node, "helper", false)));
      await pause(6000);
      // 40 % of six are two.
      expect(lost.filter((node) => gates.loss.isTainted(node)).length).toBeLessThanOrEqual(2);
      const said = await Promise.all(lost.map((node) => events(gates.loss, node)));
      expect(said.flat()).toContain("StormBrake");
      await Promise.all(lost.map((node) => gates.loss.setReady(node, "helper", true)));
      await gates.loss.untilUntainted(nodes);
    }),
  );

  test(
    "a node that is no longer selected keeps no taint and no condition",
    suite.run(async () => {
      await eventually(80 - since(), "the taint is gone", async () => !gates.loss.isTainted(orphan));
      await eventually(15, "the condition is gone", async () => gates.loss.condition(orphan) === undefined);
      expect(gates.loss.isTainted(orphan)).toBe(false);
    }),
    90_000,
  );

  test(
    "uninstall: when the agents' DaemonSets are gone, no node keeps taint or condition",
    suite.run(async () => {
      await eventually(80 - since(), "the taint is gone", async () => !gates.left.isTainted(unserved));
      await eventually(15, "the conditions are gone", async () =>
        [served, unserved].every((node) => gates.left.condition(node) === undefined),
      );
      for (const node of [served, unserved]) expect(gates.left.isTainted(node)).toBe(false);
    }),
    90_000,
  );

  test(
    "failOpenAfterSeconds: the taint goes after that time, and the node says so",
    suite.run(async () => {
      await eventually(80 - since(), "the taint is gone", async () => !gates.open.isTainted(waiting));
      const opened = gates.open.nodes.changes.find(
        ({ object }) => object.metadata.name === waiting && !(object.spec.taints ?? []).length,
      );
      const created = Date.parse(opened?.object.metadata.creationTimestamp ?? "");
      expect((opened?.at ?? 0) - created).toBeGreaterThanOrEqual(60_000);
      await eventually(15, "condition and event say so", async () => {
        const seen = gates.open.node(waiting);
        const told = (await events(gates.open, waiting)).includes("FailedOpen");
        return told && seen !== undefined && conditionOf(seen)?.reason === "FailedOpen";
      });
      for (const agent of AGENTS) await gates.open.setReady(waiting, agent, true);
      await eventually(10, "it is ready after all", async () => gates.open.condition(waiting) === "True");
    }),
    90_000,
  );

  test(
    "no foreign field was written",
    suite.run(async () => {
      const wrong = fleets.flatMap((fleet) => foreignChanges(fleet.options.gate, fleet.exchanges));
      expect(wrong).toEqual([]);
    }),
  );
});
