/**
 * The life of gated nodes, on a real API server, scheduler and controller-manager with simulated nodes: the controller
 * runs as a process of its own. Needs CEDANA_INTEGRATION_KUBECONFIG of a test bed whose pods' readiness follows the
 * annotation testbed/ready (docs/testing.md).
 */
import { eventually } from "./support/apiserver";
import type { Fleet } from "./support/controller-fleet";
import type { Gate } from "./support/controller-gate";
import { CONDITION, TAINT, conditionOf, type Taint } from "./support/controller-objects";
import { foreignChanges, foreignOf, ownedFields } from "./support/controller-oracle";
import { earlyOpenings } from "./support/controller-replay";
import { Suite, describeController, nodesOf, pause } from "./support/controller-suite";

const FOREIGN: readonly Taint[] = [
  { key: "ebs.csi.aws.com/agent-not-ready", effect: "NoExecute" },
  { key: "team", value: "a", effect: "PreferNoSchedule" },
  // The same key with another effect is another taint.
  { key: TAINT.key, value: "by-hand", effect: "PreferNoSchedule" },
];

describeController("the life of a gated node", () => {
  const suite = new Suite();
  let gate: Gate;
  let fleet: Fleet;

  beforeAll(async () => {
    gate = await suite.gate("life");
    fleet = await suite.fleet(gate);
  });

  afterAll(() => suite.close());

  test(
    "it joins with the taint, opens when both agents are Ready, and workloads come then",
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
      await eventually(10, "the condition says so", async () =>
        nodes.every((node) => gate.condition(node) === "True"),
      );
    }),
  );

  test(
    "a node that waits says why, in its condition and by an event",
    suite.run(async () => {
      const [node = ""] = nodesOf("life-wait", 1);
      await gate.join(node);
      await gate.setReady(node, "helper", true);
      const said = () => gate.node(node) && conditionOf(gate.node(node)!);
      await eventually(15, "the condition is False and names the agent", async () => {
        return said()?.status === "False" && (said()?.message ?? "").includes("health-check");
      });
      await eventually(15, "an event about the node", async () => {
        const path = "/apis/events.k8s.io/v1/events?fieldSelector=regarding.kind=Node,regarding.name=" + node;
        const { body } = await gate.api.request<{ items: { type: string; note: string }[] }>("GET", path);
        return body.items.some(({ type, note }) => type === "Warning" && note.includes("health-check"));
      });
      await gate.setReady(node, "health-check", true);
      await gate.untilUntainted([node]);
      await eventually(10, "it no longer waits", async () => said()?.status === "True");
      expect(said()).toMatchObject({ status: "True", reason: "AgentsReady" });
    }),
  );

  test(
    "another writer puts the taint back, and it goes again, however often",
    suite.run(async () => {
      const nodes = nodesOf("life-again", 8);
      await Promise.all(nodes.map((node) => gate.join(node)));
      await Promise.all(nodes.map((node) => gate.setAllReady(node, true)));
      await gate.untilUntainted(nodes);
      const again = async (node: string, times: number) => {
        await eventually(5, "the taint is on", () => gate.addTaint(node, TAINT));
        await eventually(5, "the taint was seen", async () => gate.timesTainted(node) === times);
      };
      // The controller slows down when it has to do this more than five times a minute.
      for (let times = 2; times <= 6; times++) {
        await Promise.all(nodes.map((node) => again(node, times)));
        await gate.untilUntainted(nodes, 20);
      }
      expect(nodes.map((node) => gate.timesTainted(node))).toEqual(nodes.map(() => 6));
    }),
    60_000,
  );

  test(
    "taints and fields of others stay as they are",
    suite.run(async () => {
      const [node = ""] = nodesOf("life-foreign", 1);
      await gate.join(node, { taints: FOREIGN, labels: { "example.com/owner": "somebody" } });
      await gate.setReady(node, "helper", true);
      await eventually(10, "the node lifecycle controller has looked", async () =>
        (gate.node(node)?.spec.taints ?? []).every(({ key }) => !key.startsWith("node.kubernetes.io/")),
      );
      const before = gate.node(node);
      await gate.setReady(node, "health-check", true);
      await eventually(10, "our taint is gone, the others are left", async () => {
        return (
          (gate.node(node)?.spec.taints ?? []).length === FOREIGN.length && gate.condition(node) === "True"
        );
      });
      const after = gate.node(node);
      expect(after?.spec.taints).toEqual(
        (before?.spec.taints ?? []).filter(({ effect }) => effect !== "NoSchedule"),
      );
      expect(after && foreignOf(after)).toEqual(before && foreignOf(before));
      const fields = after ? ownedFields(after, "cedana-controller") : [];
      const foreign = fields.filter((field) => field !== "spec.taints" && !field.includes(`"${CONDITION}"`));
      expect([foreign, fields.includes("spec.taints")]).toEqual([[], true]);
      // Leave no taint on it that later tests would have to know of.
      await gate.leave(node);
    }),
  );

  test(
    "upgrade: only pods with the new configuration count on a node that waits",
    suite.run(async () => {
      const [open = "", waiting = "", late = ""] = nodesOf("life-upgrade", 3);
      for (const node of [open, waiting]) await gate.join(node);
      await gate.setAllReady(open, true);
      await gate.setReady(waiting, "helper", true);
      await gate.untilUntainted([open]);
      await gate.setUpdateStrategy("OnDelete");
      await gate.deployAgents("2");
      await gate.join(late);
      await gate.setAllReady(waiting, true);
      await pause(2500);
      expect([open, waiting, late].map((node) => gate.isTainted(node))).toEqual([false, true, true]);
      // The node that joined after the change gets pods with the new configuration at once.
      await gate.setAllReady(late, true);
      await gate.untilUntainted([late]);
      expect(gate.isTainted(waiting)).toBe(true);
      for (const node of [open, waiting]) for (const pod of gate.agentPods(node)) await gate.deletePod(pod);
      await gate.setAllReady(waiting, true);
      await gate.untilUntainted([waiting]);
      expect(gate.isTainted(open)).toBe(false);
      await gate.setUpdateStrategy("RollingUpdate");
    }),
  );

  test(
    "reboot: the node comes back with its taint and waits for its agents anew",
    suite.run(async () => {
      const [node = ""] = nodesOf("life-reboot", 1);
      await gate.join(node);
      await gate.setAllReady(node, true);
      await gate.untilUntainted([node]);
      // Down: the kubelet is silent, the pods lose Ready.
      await gate.patchNode(node, { metadata: { annotations: { "testbed/ready": "false" } } });
      await gate.setAllReady(node, false);
      await eventually(15, "the condition follows", async () => gate.condition(node) === "False");
      expect(gate.isTainted(node)).toBe(false);
      // Up: another boot, and whoever boots nodes with the taint puts it on again.
      await gate.patchNode(
        node,
        { status: { nodeInfo: { bootID: "0e9f2c5e-0000-4000-8000-000000000002" } } },
        "/status",
      );
      await gate.patchNode(node, { metadata: { annotations: { "testbed/ready": null } } });
      await eventually(10, "the taint is on", () => gate.addTaint(node, TAINT));
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
    "nodes that go while they wait, or come back under the same name, do no harm",
    suite.run(async () => {
      const [gone = "", again = "", stays = ""] = nodesOf("life-gone", 3);
      for (const node of [gone, again, stays]) await gate.join(node);
      await gate.setAllReady(again, true);
      await gate.untilUntainted([again]);
      await gate.setReady(gone, "helper", true);
      await gate.setReady(stays, "helper", true);
      // Timestamps of objects are whole seconds.
      await pause(2100);
      await gate.leaveAlone(gone);
      await gate.leaveAlone(again);
      await gate.join(again);
      await pause(2500);
      // The pods of the node that was are still there and say Ready.
      expect(gate.agentPods(again).length).toBe(2);
      expect(gate.isTainted(again)).toBe(true);
      for (const pod of gate.agentPods(again)) await gate.deletePod(pod);
      await gate.setAllReady(again, true);
      await gate.setReady(stays, "health-check", true);
      await gate.untilUntainted([again, stays]);
      expect(gate.node(gone)).toBeUndefined();
    }),
  );

  test(
    "nothing was opened early, no foreign field was written, the controller did not end",
    suite.run(async () => {
      expect(earlyOpenings(gate, 2000)).toEqual([]);
      expect(foreignChanges(gate, fleet.exchanges)).toEqual([]);
      expect(fleet.replicas.flatMap(({ exits }) => exits)).toEqual([]);
      expect(gate.nodes.lost || gate.pods.lost).toBe(false);
      const refused = fleet.exchanges.filter(({ status }) => status === 403);
      expect(refused.map(({ method, path }) => `${method} ${path}`)).toEqual([]);
    }),
  );
});
