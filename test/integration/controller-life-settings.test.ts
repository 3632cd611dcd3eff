/**
 * Settings of the readiness gate: taint on lost agents and its disruption limit, fail open, dry run, and uninstall. The waits
 * of a minute overlap where possible. Only one gate at a time: a controller removes the taint from nodes that it does not
 * select.
 */
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { eventually } from "../../testbed/cluster/apiserver";
import type { Fleet } from "./support/controller/fleet";
import type { Gate } from "../../testbed/cluster/gate";
import { GATE, conditionOf } from "../../testbed/cluster/objects";
import { foreignChanges, foreignFields } from "./support/controller/invariants";
import { Suite, describeController, nodesOf, pause } from "./support/controller/suite";

const FAIL_OPEN_SECONDS = 60;
const CLUSTER_ID = "0b8f5b0e-6d0c-4b52-9f3e-3f3c8e1f7a10";

describeController("settings of the gate", () => {
  const suite = new Suite();
  const [gated = ""] = nodesOf("set-open", 1);
  const [orphan = ""] = nodesOf("set-orphan", 1);
  const [left = ""] = nodesOf("set-left", 1);
  let gate: Gate;
  let fleet: Fleet;
  let startMs = 0;
  /** Seconds since the start of the waits. */
  const since = () => (Date.now() - startMs) / 1000;

  beforeAll(async () => {
    gate = await suite.gate("set");
    fleet = await suite.fleet(gate, {
      settings: {
        failOpenAfterSeconds: FAIL_OPEN_SECONDS,
        retaint: { holdOffSeconds: 2, maxUnreadyPercent: 40 },
      },
    });
    await gate.join(gated);
    await gate.join(orphan);
    await eventually(10, "the node has its condition", async () => gate.condition(orphan) !== undefined);
    await gate.patchNode(orphan, { metadata: { labels: { [GATE]: null } } });
    startMs = Date.now();
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
      const dryFleet = await suite.fleet(dry, { settings: { dryRun: true } });
      for (const name of [node, other]) await dry.join(name);
      await dry.setAllReady(node, true);
      await pause(3000);
      const written = dryFleet.exchanges.filter(({ method, path }) => {
        return method !== "GET" && !path.includes("/leases");
      });
      expect(written.map(({ method, path }) => `${method} ${path}`)).toEqual([]);
      expect([dry.isTainted(node), dry.condition(node)]).toEqual([true, undefined]);
      for (const name of [node, other]) await dry.leave(name);
      await dryFleet.replicas[0]?.stop();
    }),
  );

  test(
    "retaint: a node that loses an agent gets the taint again, unless Karpenter has initialized it",
    suite.run(async () => {
      const [node = "", karpenter = "", ...others] = nodesOf("set-loss", 6);
      await gate.join(karpenter, { labels: { "karpenter.sh/initialized": "true" } });
      for (const name of [node, ...others]) await gate.join(name);
      for (const name of [node, karpenter, ...others]) await gate.setAllReady(name, true);
      await gate.untilUntainted([node, karpenter, ...others]);
      await gate.setReady(node, "health-check", false);
      await gate.setReady(karpenter, "health-check", false);
      await eventually(15, "the taint is back", async () => gate.isTainted(node));
      await eventually(15, "the condition has the reason AgentLost", async () => {
        const seen = gate.node(node);
        return seen !== undefined && conditionOf(seen)?.reason === "AgentLost";
      });
      expect(gate.isTainted(karpenter)).toBe(false);
      for (const name of [node, karpenter]) await gate.setReady(name, "health-check", true);
      await gate.untilUntainted([node]);
      // A short loss, such as a restart of the agent, has no effect.
      await gate.setReady(node, "helper", false);
      await pause(500);
      await gate.setReady(node, "helper", true);
      await pause(3000);
      expect(gate.timesTainted(node)).toBe(2);
    }),
  );

  test(
    "disruption limit: no further node gets the taint while too many nodes lack an agent",
    suite.run(async () => {
      const nodes = nodesOf("set-loss", 6);
      const lost = nodes.slice(2);
      await Promise.all(lost.map((node) => gate.setReady(node, "helper", false)));
      await pause(6000);
      // 40 % of six are two.
      expect(lost.filter((node) => gate.isTainted(node)).length).toBeLessThanOrEqual(2);
      const reasons = await Promise.all(lost.map((node) => events(node)));
      expect(reasons.flat()).toContain("TooManyUnreadyNodes");
      await Promise.all(lost.map((node) => gate.setReady(node, "helper", true)));
      await gate.untilUntainted(nodes);
    }),
  );

  test(
    "nothing changes at first when the agents' DaemonSets are deleted, as in a reinstall",
    suite.run(async () => {
      await gate.removeAgents();
      await gate.join(left);
      await pause(5000);
      expect(nodesOf("set-loss", 6).filter((node) => gate.isTainted(node))).toEqual([]);
      expect(gate.isTainted(left)).toBe(true);
    }),
  );

  test(
    "a node that is no longer selected loses taint and condition",
    suite.run(async () => {
      await eventually(80 - since(), "the taint is removed", async () => !gate.isTainted(orphan));
      await eventually(15, "the condition is removed", async () => gate.condition(orphan) === undefined);
      expect(gate.isTainted(orphan)).toBe(false);
    }),
    90_000,
  );

  test(
    "failOpenAfterSeconds: the taint is removed after that time, and the node reports it",
    suite.run(async () => {
      await eventually(80 - since(), "the taint is removed", async () => !gate.isTainted(gated));
      const opened = gate.nodes.changes.find(
        ({ object }) => object.metadata.name === gated && !(object.spec.taints ?? []).length,
      );
      const created = Date.parse(opened?.object.metadata.creationTimestamp ?? "");
      expect((opened?.at ?? 0) - created).toBeGreaterThanOrEqual(FAIL_OPEN_SECONDS * 1000);
      await eventually(15, "condition and event report it", async () => {
        const seen = gate.node(gated);
        const reported = (await events(gated)).includes("FailedOpen");
        return reported && seen !== undefined && conditionOf(seen)?.reason === "FailedOpen";
      });
    }),
    90_000,
  );

  test(
    "uninstall: taints and conditions are removed a minute after the agents' DaemonSets are deleted",
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
    "uninstall in another order: cedana-cdk ungate removes only taint and condition",
    suite.run(async () => {
      const [node = ""] = nodesOf("set-ungate", 1);
      await gate.deployAgents("1");
      await gate.join(node, { taints: [{ key: "team", value: "a", effect: "NoSchedule" }] });
      await eventually(10, "the node has the condition", async () => gate.condition(node) === "False");
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
      await eventually(5, "taint and condition are removed", async () => {
        return !gate.isTainted(node) && gate.condition(node) === undefined;
      });
      const after = gate.node(node);
      expect(after?.spec.taints).toEqual([{ key: "team", value: "a", effect: "NoSchedule" }]);
      expect(after && foreignFields(after)).toEqual(before && foreignFields(before));
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
