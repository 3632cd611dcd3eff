/**
 * What settings of the gate do to the life of nodes: taint on loss and the disruption limit, opening after a time, dry run, and what
 * is left when nodes or agents go. The waits of a minute run side by side where they can. One gate at a time: a
 * controller takes the taint from nodes that it does not select.
 */
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { eventually } from "./support/apiserver";
import type { Fleet } from "./support/controller-fleet";
import type { Gate } from "./support/controller-gate";
import { GATE, conditionOf } from "./support/controller-objects";
import { foreignChanges, foreignOf } from "./support/controller-oracle";
import { Suite, describeController, nodesOf, pause } from "./support/controller-suite";

const FAIL_OPEN_SECONDS = 60;
const CLUSTER_ID = "0b8f5b0e-6d0c-4b52-9f3e-3f3c8e1f7a10";

describeController("settings of the gate", () => {
  const suite = new Suite();
  const [waiting = ""] = nodesOf("set-open", 1);
  const [orphan = ""] = nodesOf("set-orphan", 1);
  const [left = ""] = nodesOf("set-left", 1);
  let gate: Gate;
  let fleet: Fleet;
  let begun = 0;
  /** Seconds since the waits of a minute began. */
  const since = () => (Date.now() - begun) / 1000;

  beforeAll(async () => {
    gate = await suite.gate("set");
    fleet = await suite.fleet(gate, {
      settings: {
        failOpenAfterSeconds: FAIL_OPEN_SECONDS,
        retaint: { holdOffSeconds: 2, maxUnreadyPercent: 40 },
      },
    });
    await gate.join(waiting);
    await gate.join(orphan);
    await eventually(10, "the node is known", async () => gate.condition(orphan) !== undefined);
    await gate.patchNode(orphan, { metadata: { labels: { [GATE]: null } } });
    begun = Date.now();
  });

  afterAll(() => suite.close());

  const events = async (node: string): Promise<string[]> => {
    const path = `/apis/events.k8s.io/v1/events?fieldSelector=regarding.kind=Node,regarding.name=${node}`;
    const { body } = await gate.api.request<{ items: { reason: string }[] }>("GET", path);
    return body.items.map(({ reason }) => reason);
  };

  test(
    "dry run writes nothing to nodes",
    suite.run(async () => {
      const [node = "", other = ""] = nodesOf("set-dry", 2);
      const dry = await suite.gate("set-dry");
      const rehearsal = await suite.fleet(dry, { settings: { dryRun: true } });
      for (const name of [node, other]) await dry.join(name);
      await dry.setAllReady(node, true);
      await pause(3000);
      const written = rehearsal.exchanges.filter(({ method, path }) => {
        return method !== "GET" && !path.includes("/leases");
      });
      expect(written.map(({ method, path }) => `${method} ${path}`)).toEqual([]);
      expect([dry.isTainted(node), dry.condition(node)]).toEqual([true, undefined]);
      for (const name of [node, other]) await dry.leave(name);
      await rehearsal.replicas[0]?.stop();
    }),
  );

  test(
    "retaint: a node that loses an agent gets the taint again, but not one that Karpenter has initialized",
    suite.run(async () => {
      const [node = "", karpenter = "", ...others] = nodesOf("set-loss", 6);
      await gate.join(karpenter, { labels: { "karpenter.sh/initialized": "true" } });
      for (const name of [node, ...others]) await gate.join(name);
      for (const name of [node, karpenter, ...others]) await gate.setAllReady(name, true);
      await gate.untilUntainted([node, karpenter, ...others]);
      await gate.setReady(node, "health-check", false);
      await gate.setReady(karpenter, "health-check", false);
      await eventually(15, "the taint is back", async () => gate.isTainted(node));
      await eventually(15, "the condition says what was lost", async () => {
        const seen = gate.node(node);
        return seen !== undefined && conditionOf(seen)?.reason === "AgentLost";
      });
      expect(gate.isTainted(karpenter)).toBe(false);
      for (const name of [node, karpenter]) await gate.setReady(name, "health-check", true);
      await gate.untilUntainted([node]);
      // Short losses, as a restart of the agent, are none.
      await gate.setReady(node, "helper", false);
      await pause(500);
      await gate.setReady(node, "helper", true);
      await pause(3000);
      expect(gate.timesTainted(node)).toBe(2);
    }),
  );

  test(
    "adds no further taint at the disruption limit when too many nodes lose an agent at once",
    suite.run(async () => {
      const nodes = nodesOf("set-loss", 6);
      const lost = nodes.slice(2);
      await Promise.all(lost.map((node) => gate.setReady(node, "helper", false)));
      await pause(6000);
      // 40 % of six are two.
      expect(lost.filter((node) => gate.isTainted(node)).length).toBeLessThanOrEqual(2);
      const said = await Promise.all(lost.map((node) => events(node)));
      expect(said.flat()).toContain("TooManyUnreadyNodes");
      await Promise.all(lost.map((node) => gate.setReady(node, "helper", true)));
      await gate.untilUntainted(nodes);
    }),
  );

  test(
    "agents' DaemonSets are deleted: it may be a new installation, so nothing changes at first",
    suite.run(async () => {
      await gate.removeAgents();
      await gate.join(left);
      await pause(5000);
      expect(nodesOf("set-loss", 6).filter((node) => gate.isTainted(node))).toEqual([]);
      expect(gate.isTainted(left)).toBe(true);
    }),
  );

  test(
    "a node that is no longer selected keeps no taint and no condition",
    suite.run(async () => {
      await eventually(80 - since(), "the taint is gone", async () => !gate.isTainted(orphan));
      await eventually(15, "the condition is gone", async () => gate.condition(orphan) === undefined);
      expect(gate.isTainted(orphan)).toBe(false);
    }),
    90_000,
  );

  test(
    "failOpenAfterSeconds: the taint goes after that time, and the node says so",
    suite.run(async () => {
      await eventually(80 - since(), "the taint is gone", async () => !gate.isTainted(waiting));
      const opened = gate.nodes.changes.find(
        ({ object }) => object.metadata.name === waiting && !(object.spec.taints ?? []).length,
      );
      const created = Date.parse(opened?.object.metadata.creationTimestamp ?? "");
      expect((opened?.at ?? 0) - created).toBeGreaterThanOrEqual(FAIL_OPEN_SECONDS * 1000);
      await eventually(15, "condition and event say so", async () => {
        const seen = gate.node(waiting);
        const told = (await events(waiting)).includes("FailedOpen");
        return told && seen !== undefined && conditionOf(seen)?.reason === "FailedOpen";
      });
    }),
    90_000,
  );

  test(
    "uninstall: a minute after the agents' DaemonSets are gone, no node keeps taint or condition",
    suite.run(async () => {
      await eventually(80, "no taint, no condition", async () =>
        [...gate.nodes.objects.keys()].every(
          (node) => !gate.isTainted(node) && gate.condition(node) === undefined,
        ),
      );
      expect(await events(left)).toContain("AgentsUninstalled");
    }),
    90_000,
  );

  test(
    "uninstall in another order: cedana-cdk ungate takes taint and condition away, and nothing else",
    suite.run(async () => {
      const [node = ""] = nodesOf("set-ungate", 1);
      await gate.deployAgents("1");
      await gate.join(node, { taints: [{ key: "team", value: "a", effect: "NoSchedule" }] });
      await eventually(10, "the condition is there", async () => gate.condition(node) === "False");
      await fleet.replicas[0]?.stop();
      const file = join(fleet.folder, "cedana.yaml");
      writeFileSync(
        file,
        `version: 1\nengine:\n  kind: cedana\n  clusterId: ${CLUSTER_ID}\n  url: https://sandbox.cedana.ai\ninstall: {}\n`,
      );
      const before = gate.node(node);
      const cli = join(__dirname, "../../dist/bin/cedana-cdk.js");
      execFileSync(process.execPath, [
        cli,
        "ungate",
        "--file",
        file,
        "--kubeconfig",
        gate.kubeconfig,
        "--yes",
      ]);
      await eventually(5, "taint and condition are gone", async () => {
        return !gate.isTainted(node) && gate.condition(node) === undefined;
      });
      const after = gate.node(node);
      expect(after?.spec.taints).toEqual([{ key: "team", value: "a", effect: "NoSchedule" }]);
      expect(after && foreignOf(after)).toEqual(before && foreignOf(before));
    }),
    30_000,
  );

  test(
    "no foreign field was written",
    suite.run(async () => {
      expect(foreignChanges(gate, fleet.exchanges)).toEqual([]);
    }),
  );
});
