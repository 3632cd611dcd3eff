import { applyPatch, type Operation } from "fast-json-patch";
import { decideTaint, projectPod, taintPatch } from "../../../../controller/readiness/rules";
import {
  AGENTS,
  BOTH,
  daemonSet,
  node,
  NOW,
  OURS,
  pod,
  projected,
  rawNode,
  rawPod,
  READY,
  settings,
  snapshot,
  type Situation,
} from "./support";

const EBS = {
  key: "ebs.csi.aws.com/agent-not-ready",
  effect: "NoExecute",
  timeAdded: "2026-06-01T11:59:00Z",
};

const taintOf = (situation?: Situation) => decideTaint(snapshot(situation));
const removed = (cause: string) => ({ change: { operation: "remove", cause } });

describe("a node", () => {
  const assessed = (situation: Situation) => {
    const { ready, serving, agents } = snapshot(situation).assessment;
    return { ready, serving, reasons: agents.map(({ reason }) => reason) };
  };
  const helper = (given: Parameters<typeof pod>[1]) => [pod("helper", given), pod("health-check")];
  const registered = NOW - 30_000;

  test.each<[string, Situation, boolean, boolean, string | undefined]>([
    ["is ready if both agents are", {}, true, true, undefined],
    ["is not ready without a pod", { pods: READY.slice(1) }, false, false, "NoPod"],
    ["is not ready with an unready pod", { pods: helper({ ready: false }) }, false, false, "PodNotReady"],
    [
      "is not ready with a pod that is being deleted",
      { pods: helper({ deleting: true }) },
      false,
      false,
      "PodDeleting",
    ],
    [
      "serves but is not ready with the old configuration",
      { pods: helper({ hash: "h0" }) },
      false,
      true,
      "OldConfiguration",
    ],
    [
      "is not ready with a pod of another owner",
      { pods: helper({ owner: "foreign" }) },
      false,
      false,
      "NoPod",
    ],
    [
      "is not ready with a pod of a previous node of the same name",
      { pods: helper({ createdMs: registered - 60_000, readySinceMs: registered - 50_000 }) },
      false,
      false,
      "PodOfPreviousNode",
    ],
    [
      "is ready with an older pod that got Ready after the node was registered",
      { pods: helper({ createdMs: registered - 60_000, readySinceMs: registered }) },
      true,
      true,
      undefined,
    ],
    [
      "is ready with its own pod although the kubelet's clock is minutes behind",
      { pods: helper({ createdMs: registered + 5000, readySinceMs: registered - 300_000 }) },
      true,
      true,
      undefined,
    ],
    [
      "is ready with an older pod that was not corrected within two minutes",
      { pods: helper({ createdMs: 0, readySinceMs: 0 }), now: registered + 120_000 },
      true,
      true,
      undefined,
    ],
    ["is not ready without a DaemonSet", { daemonSets: [undefined, BOTH[1]] }, false, false, "NotInstalled"],
    [
      "is not ready with a DaemonSet that is being deleted",
      { daemonSets: [daemonSet("helper", { deleting: true }), BOTH[1]] },
      false,
      false,
      "Uninstalled",
    ],
    [
      "is ready if the new pod is Ready while the old one is being deleted",
      { pods: [pod("helper", { uid: "old", deleting: true, hash: "h0" }), ...READY] },
      true,
      true,
      undefined,
    ],
  ])("%s", (_, situation, ready, serving, reason) => {
    expect(assessed(situation)).toEqual({ ready, serving, reasons: [reason, undefined] });
  });

  test("is evaluated again when the grace period of a previous node's pod ends", () => {
    const early = { createdMs: 0, readySinceMs: 0 };
    expect(snapshot({ pods: AGENTS.map((agent) => pod(agent, early)) }).assessment.recheckAtMs).toBe(
      registered + 120_000,
    );
  });
});

describe("the taint", () => {
  test("is removed from a ready node and not changed on others", () => {
    expect(taintOf()).toEqual(removed("Ready"));
    expect(taintOf({ pods: [] })).toEqual({});
    expect(taintOf({ node: node({ taints: [EBS] }) })).toEqual({});
    expect(taintOf({ node: node({ deleting: true }) })).toEqual({});
  });

  test("is not changed if a NodeReadinessRule owns it", () => {
    expect(taintOf({ settings: settings({ owner: "nodeReadinessRule" }) })).toEqual({});
  });

  test("is identified by key and effect, with any value", () => {
    expect(taintOf({ node: node({ taints: [{ ...OURS, value: "" }] }) })).toEqual(removed("Ready"));
    expect(taintOf({ node: node({ taints: [{ ...OURS, effect: "NoExecute" }] }) })).toEqual({});
  });

  test("is removed after a minute from an unselected node, but not before Karpenter has labelled it", () => {
    const orphan = { node: node({ labels: {} }), pods: [] };
    expect(taintOf(orphan)).toEqual({ recheckAtMs: NOW + 60_000 });
    expect(taintOf({ ...orphan, history: { orphanSinceMs: NOW - 60_000 } })).toEqual(removed("Orphaned"));
    const unregistered = { key: "karpenter.sh/unregistered", effect: "NoExecute" };
    expect(taintOf({ node: node({ labels: {}, taints: [OURS, unregistered] }) })).toEqual({});
  });

  test("is kept while agents were never installed, and removed a minute after an uninstall", () => {
    const none = { daemonSets: [undefined, undefined], pods: [] };
    expect(snapshot(none).installation).toEqual({ state: "missing" });
    expect(taintOf(none)).toEqual({});
    const uninstalling = { ...none, history: { onceReady: true } };
    expect(snapshot(uninstalling).installation).toEqual({
      state: "uninstalling",
      uninstalledAtMs: NOW + 60_000,
    });
    expect(taintOf(uninstalling)).toEqual({});
    const uninstalled = { ...snapshot(uninstalling), installation: { state: "uninstalled" } as const };
    expect(decideTaint(uninstalled)).toEqual(removed("Uninstalled"));
  });

  test("is removed after failOpenAfterSeconds, counted from when the taint was observed", () => {
    const open = { settings: settings({ failOpenAfterSeconds: 60 }), pods: [] };
    expect(taintOf(open)).toEqual({ recheckAtMs: NOW + 60_000 });
    expect(taintOf({ ...open, history: { taintedSinceMs: NOW - 60_000 } })).toEqual({
      recheckAtMs: NOW + 30_000,
    });
    expect(taintOf({ ...open, now: NOW + 30_000, history: { taintedSinceMs: NOW - 60_000 } })).toEqual(
      removed("FailedOpen"),
    );
  });

  test("is removed only every ten seconds if another client keeps adding it", () => {
    const removedAtMs = [5, 4, 3, 2, 1].map((seconds) => NOW - seconds * 1000);
    expect(taintOf({ history: { removedAtMs } })).toEqual({ recheckAtMs: NOW + 9000 });
    expect(taintOf({ history: { removedAtMs }, now: NOW + 9000 })).toEqual(removed("Ready"));
  });
});

describe("with retaint, the taint", () => {
  const retaint = settings({ retaint: { holdOffSeconds: 30, maxUnreadyPercent: 20 } });
  const lost: Situation = {
    settings: retaint,
    node: node({ taints: [EBS], condition: { status: "True", reason: "AgentsReady" } }),
    pods: [],
    history: { lostSinceMs: NOW - 30_000 },
  };

  test("is added to a node that lacks an agent for holdOffSeconds", () => {
    expect(taintOf(lost)).toEqual({ change: { operation: "add", cause: "AgentLost" } });
    expect(taintOf({ ...lost, history: { lostSinceMs: NOW - 10_000 } })).toEqual({
      recheckAtMs: NOW + 20_000,
    });
  });

  test.each<[string, Situation]>([
    ["without the setting", { settings: settings() }],
    [
      "after Karpenter has initialized the node",
      {
        node: node({
          taints: [],
          labels: { "cedana.ai/enabled": "true", "karpenter.sh/initialized": "true" },
          condition: { status: "True", reason: "AgentsReady" },
        }),
      },
    ],
    ["if the agents were never ready", { node: node({ taints: [] }), history: {} }],
    [
      "during a rollout, while the old agents serve",
      { pods: AGENTS.map((agent) => pod(agent, { hash: "h0" })), history: {} },
    ],
    ["while an agent is uninstalled", { daemonSets: [undefined, BOTH[1]] }],
    ["after it failed open for this loss", { history: { lostSinceMs: 0, failedOpen: true } }],
    ["while the node is being deleted", { node: node({ taints: [], deleting: true }) }],
  ])("is not added %s", (_, situation) => {
    expect(taintOf({ ...lost, ...situation })).toEqual({});
  });

  test("is not added while the disruption limit is reached, and evaluated again", () => {
    expect(taintOf({ ...lost, tooManyUnready: true })).toEqual({ limited: true, recheckAtMs: NOW + 15_000 });
  });
});

describe("a taint patch", () => {
  const apply = (raw: ReturnType<typeof rawNode>, change: "add" | "remove") => {
    const patch = taintPatch(projected(raw), change, settings().taint);
    return applyPatch(structuredClone(raw), structuredClone(patch) as unknown as Operation[], true)
      .newDocument.spec;
  };

  test("removes only our taint", () => {
    expect(apply(rawNode({ taints: [EBS, OURS] }), "remove")).toEqual({
      podCIDR: "10.0.0.0/24",
      taints: [EBS],
    });
    expect(apply(rawNode(), "remove")).toEqual({ podCIDR: "10.0.0.0/24" });
  });

  test("adds only our taint", () => {
    expect(apply(rawNode({ taints: [EBS] }), "add").taints).toEqual([EBS, OURS]);
    expect(apply(rawNode({ taints: [] }), "add").taints).toEqual([OURS]);
  });

  test("fails if the node or its taints have changed", () => {
    const observed = projected(rawNode({ taints: [EBS, OURS] }));
    for (const other of [rawNode({ taints: [EBS, OURS], uid: "node-2" }), rawNode()]) {
      const patch = taintPatch(observed, "remove", settings().taint);
      expect(() => applyPatch(other, patch as unknown as Operation[], true)).toThrow(/test/i);
    }
  });

  test("is undefined if the taint is as desired", () => {
    expect(taintPatch(node({ taints: [EBS] }), "remove", settings().taint)).toBeUndefined();
    expect(taintPatch(node(), "add", settings().taint)).toBeUndefined();
  });
});

test("an unscheduled pod belongs to the node of its affinity", () => {
  const raw = rawPod("helper", { ready: false });
  const unscheduled = {
    ...raw,
    spec: {
      affinity: {
        nodeAffinity: {
          requiredDuringSchedulingIgnoredDuringExecution: {
            nodeSelectorTerms: [{ matchFields: [{ key: "metadata.name", operator: "In", values: ["n7"] }] }],
          },
        },
      },
    },
    status: {
      phase: "Pending",
      conditions: [
        { type: "PodScheduled", status: "False", reason: "Unschedulable", message: "Insufficient cpu" },
      ],
    },
  };
  expect(projectPod(unscheduled, settings())).toMatchObject({
    nodeName: "n7",
    ready: false,
    unreadyReason: "is not scheduled: Unschedulable: Insufficient cpu",
  });
});
