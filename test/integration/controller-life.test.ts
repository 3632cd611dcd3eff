/**
 * The lifecycle of gated nodes on a real API server, scheduler and controller-manager with simulated nodes. The controller
 * runs as a separate process. Needs CEDANA_INTEGRATION_KUBECONFIG of a cluster in which the readiness of pods follows the
 * annotation testbed/ready (docs/testing.md).
 */
import { eventually } from "./support/apiserver";
import type { Fleet } from "./support/controller/fleet";
import type { Gate } from "./support/controller/gate";
import { CONDITION, TAINT, conditionOf, type Taint } from "./support/controller/objects";
import { foreignChanges, foreignFields, gateViolations, ownedFields } from "./support/controller/invariants";
import { Suite, describeController, nodesOf, pause } from "./support/controller/suite";

const FOREIGN: readonly Taint[] = [
  { key: "ebs.csi.aws.com/agent-not-ready", effect: "NoExecute" },
  { key: "team", value: "a", effect: "PreferNoSchedule" },
  // The same key with another effect is another taint.
  { key: TAINT.key, value: "by-hand", effect: "PreferNoSchedule" },
];

describeController("the lifecycle of a gated node", () => {
  const suite = new Suite();
  let gate: Gate;
  let fleet: Fleet;

  beforeAll(async () => {
    gate = await suite.gate("life");
    fleet = await suite.fleet(gate);
  });

  afterAll(() => suite.close());

  test(
    "a node joins with the taint and is ungated when both agents are Ready; then workloads are bound to it",
    suite.run(async () => {
      const nodes = nodesOf("life-join", 5);
      await Promise.all(nodes.map((node) => gate.join(node)));
      await Promise.all(nodes.map((node) => gate.addWorkload(`workload-${node}`, node)));
      for (const node of nodes) await gate.setReady(node, "helper", true);
      await pause(1500);
      expect(nodes.filter((node) => !gate.isTainted(node))).toEqual([]);
      for (const node of nodes) await gate.setReady(node, "health-check", true);
      await gate.untilUntainted(nodes);
      await eventually(20, "every workload runs", async () =>
        nodes.every((node) => gate.pod(`workload-${node}`)?.status.phase === "Running"),
      );
      await eventually(10, "the condition is True", async () =>
        nodes.every((node) => gate.condition(node) === "True"),
      );
    }),
  );

  test(
    "a gated node reports the reason in its condition and an event",
    suite.run(async () => {
      const [node = ""] = nodesOf("life-wait", 1);
      await gate.join(node);
      await gate.setReady(node, "helper", true);
      const condition = () => gate.node(node) && conditionOf(gate.node(node)!);
      await eventually(15, "the condition is False and names the agent", async () => {
        return condition()?.status === "False" && (condition()?.message ?? "").includes("health-check");
      });
      await eventually(15, "an event about the node", async () => {
        const path = "/apis/events.k8s.io/v1/events?fieldSelector=regarding.kind=Node,regarding.name=" + node;
        const { body } = await gate.api.request<{ items: { type: string; note: string }[] }>("GET", path);
        return body.items.some(({ type, note }) => type === "Warning" && note.includes("health-check"));
      });
      await gate.setReady(node, "health-check", true);
      await gate.untilUntainted([node]);
      await eventually(10, "the condition is True", async () => condition()?.status === "True");
      expect(condition()).toMatchObject({ status: "True", reason: "AgentsReady" });
    }),
  );

  test(
    "the taint is removed again each time another client adds it",
    suite.run(async () => {
      const nodes = nodesOf("life-again", 8);
      await Promise.all(nodes.map((node) => gate.join(node)));
      await Promise.all(nodes.map((node) => gate.setAllReady(node, true)));
      await gate.untilUntainted(nodes);
      const addAgain = async (node: string, times: number) => {
        await eventually(5, "the taint is added", () => gate.addTaint(node, TAINT));
        await eventually(5, "the taint was seen", async () => gate.timesTainted(node) === times);
      };
      // The controller backs off when it removes the taint more than five times a minute.
      for (let times = 2; times <= 6; times++) {
        await Promise.all(nodes.map((node) => addAgain(node, times)));
        await gate.untilUntainted(nodes, 20);
      }
      expect(nodes.map((node) => gate.timesTainted(node))).toEqual(nodes.map(() => 6));
    }),
    60_000,
  );

  test(
    "taints and fields of other owners are not changed",
    suite.run(async () => {
      const [node = ""] = nodesOf("life-foreign", 1);
      await gate.join(node, { taints: FOREIGN, labels: { "example.com/owner": "team-a" } });
      await gate.setReady(node, "helper", true);
      await eventually(10, "the node lifecycle controller has removed its taints", async () =>
        (gate.node(node)?.spec.taints ?? []).every(({ key }) => !key.startsWith("node.kubernetes.io/")),
      );
      const before = gate.node(node);
      await gate.setReady(node, "health-check", true);
      await eventually(10, "only our taint is removed", async () => {
        return (
          (gate.node(node)?.spec.taints ?? []).length === FOREIGN.length && gate.condition(node) === "True"
        );
      });
      const after = gate.node(node);
      expect(after?.spec.taints).toEqual(
        (before?.spec.taints ?? []).filter(({ effect }) => effect !== "NoSchedule"),
      );
      expect(after && foreignFields(after)).toEqual(before && foreignFields(before));
      const fields = after ? ownedFields(after, "cedana-controller") : [];
      const foreign = fields.filter((field) => field !== "spec.taints" && !field.includes(`"${CONDITION}"`));
      expect([foreign, fields.includes("spec.taints")]).toEqual([[], true]);
      // Later tests must not see its taints.
      await gate.leave(node);
    }),
  );

  test(
    "upgrade: only pods with the new configuration ungate a node",
    suite.run(async () => {
      const [ungated = "", gated = "", late = ""] = nodesOf("life-upgrade", 3);
      for (const node of [ungated, gated]) await gate.join(node);
      await gate.setAllReady(ungated, true);
      await gate.setReady(gated, "helper", true);
      await gate.untilUntainted([ungated]);
      await gate.setUpdateStrategy("OnDelete");
      await gate.deployAgents("2");
      await gate.join(late);
      await gate.setAllReady(gated, true);
      await pause(2500);
      expect([ungated, gated, late].map((node) => gate.isTainted(node))).toEqual([false, true, true]);
      // A node that joined after the change immediately gets pods with the new configuration.
      await gate.setAllReady(late, true);
      await gate.untilUntainted([late]);
      expect(gate.isTainted(gated)).toBe(true);
      for (const node of [ungated, gated]) for (const pod of gate.agentPods(node)) await gate.deletePod(pod);
      await gate.setAllReady(gated, true);
      await gate.untilUntainted([gated]);
      expect(gate.isTainted(ungated)).toBe(false);
      await gate.setUpdateStrategy("RollingUpdate");
    }),
  );

  test(
    "reboot: the node is gated again until its agents are Ready",
    suite.run(async () => {
      const [node = ""] = nodesOf("life-reboot", 1);
      await gate.join(node);
      await gate.setAllReady(node, true);
      await gate.untilUntainted([node]);
      // Down: the kubelet reports nothing, the pods are not Ready.
      await gate.patchNode(node, { metadata: { annotations: { "testbed/ready": "false" } } });
      await gate.setAllReady(node, false);
      await eventually(15, "the condition follows", async () => gate.condition(node) === "False");
      expect(gate.isTainted(node)).toBe(false);
      // Up: another boot ID, and the taint is added again.
      await gate.patchNode(
        node,
        { status: { nodeInfo: { bootID: "0e9f2c5e-0000-4000-8000-000000000002" } } },
        "/status",
      );
      await gate.patchNode(node, { metadata: { annotations: { "testbed/ready": null } } });
      await eventually(10, "the taint is added", () => gate.addTaint(node, TAINT));
      await gate.addWorkload(`workload-${node}`, node);
      await gate.setReady(node, "helper", true);
      await pause(1500);
      expect(gate.isTainted(node)).toBe(true);
      await gate.setReady(node, "health-check", true);
      await gate.untilUntainted([node]);
      await eventually(
        20,
        "the workload runs",
        async () => gate.pod(`workload-${node}`)?.status.phase === "Running",
      );
    }),
  );

  test(
    "gated nodes can be deleted and created again with the same name",
    suite.run(async () => {
      const [deleted = "", recreated = "", kept = ""] = nodesOf("life-gone", 3);
      for (const node of [deleted, recreated, kept]) await gate.join(node);
      await gate.setAllReady(recreated, true);
      await gate.untilUntainted([recreated]);
      await gate.setReady(deleted, "helper", true);
      await gate.setReady(kept, "helper", true);
      // Timestamps of objects are whole seconds.
      await pause(2100);
      await gate.leaveKeepingPods(deleted);
      await gate.leaveKeepingPods(recreated);
      await gate.join(recreated);
      await pause(2500);
      // The pods of the deleted node still exist and are Ready.
      expect(gate.agentPods(recreated).length).toBe(2);
      expect(gate.isTainted(recreated)).toBe(true);
      for (const pod of gate.agentPods(recreated)) await gate.deletePod(pod);
      await gate.setAllReady(recreated, true);
      await gate.setReady(kept, "health-check", true);
      await gate.untilUntainted([recreated, kept]);
      expect(gate.node(deleted)).toBeUndefined();
    }),
  );

  test(
    "no guarantee was violated: taints, foreign fields; the controller did not exit",
    suite.run(async () => {
      expect(gateViolations(gate, 2000)).toEqual([]);
      expect(foreignChanges(gate, fleet.exchanges)).toEqual([]);
      expect(fleet.replicas.flatMap(({ exits }) => exits)).toEqual([]);
      expect(gate.nodes.lost || gate.pods.lost).toBe(false);
      const forbidden = fleet.exchanges.filter(({ status }) => status === 403);
      expect(forbidden.map(({ method, path }) => `${method} ${path}`)).toEqual([]);
    }),
  );
});
