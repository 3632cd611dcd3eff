import { applyPatch, type Operation } from "fast-json-patch";
import {
  assess,
  decideCondition,
  decideTaint,
  installationOf,
  projectPod,
  taintPatch,
  updateHistory,
  updatePresences,
  type AgentDaemonSet,
  type AgentPod,
  type GateNode,
  type NodeHistory,
  type NodeSnapshot,
} from "../../../../controller/readiness/rules";
import { type GateSettings } from "../../../../config/programs/controller";
import { AGENTS, daemonSet, node, NOW, OURS, pod, projected, rawNode, rawPod, settings } from "./support";

interface Situation {
  readonly node?: GateNode;
  readonly pods?: readonly AgentPod[];
  readonly daemonSets?: readonly (AgentDaemonSet | undefined)[];
  readonly settings?: GateSettings;
  readonly history?: Partial<NodeHistory>;
  readonly tooManyUnready?: boolean;
  readonly now?: number;
}

const READY = AGENTS.map((agent) => pod(agent));
const BOTH = AGENTS.map((agent) => daemonSet(agent));
const EBS = {
  key: "ebs.csi.aws.com/agent-not-ready",
  effect: "NoExecute",
  timeAdded: "2026-06-01T11:59:00Z",
};

function snapshot(situation: Situation = {}): NodeSnapshot {
  const {
    now = NOW,
    settings: given = settings(),
    node: at = node(),
    pods = READY,
    daemonSets = BOTH,
  } = situation;
  const presences = updatePresences(
    given.agents,
    [],
    ({ name }) => daemonSets[name === "helper" ? 0 : 1],
    now,
  );
  const assessment = assess(at, presences, pods, given, now);
  const history = { ...updateHistory(undefined, at, assessment, given, now), ...situation.history };
  const installation = installationOf(presences, history.onceReady, now);
  const tooManyUnready = situation.tooManyUnready ?? false;
  return { node: at, assessment, history, installation, settings: given, now, tooManyUnready };
}

const taintOf = (situation?: Situation) => decideTaint(snapshot(situation));
const conditionOf = (situation?: Situation) => decideCondition(snapshot(situation));
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

describe("the condition", () => {
  const clean = { node: node({ taints: [] }) };
  const stored = (status: string, reason: string, message?: string) => ({
    node: node({ taints: [], condition: { status, reason, ...(message !== undefined && { message }) } }),
  });

  test("is set to True once and then not changed", () => {
    expect(conditionOf(clean)).toMatchObject({ change: { status: "True", reason: "AgentsReady" } });
    expect(conditionOf(stored("True", "AgentsReady", "old message"))).toEqual({});
  });

  test("does not report a short wait, and reports a long one with an event", () => {
    const status = {
      phase: "Pending",
      containerStatuses: [
        {
          name: "main",
          state: { waiting: { reason: "ImagePullBackOff", message: "Back-off pulling image" } },
        },
      ],
    };
    const waits = { pods: [pod("helper", { ready: false, status }), READY[1] as AgentPod] };
    expect(conditionOf(waits)).toEqual({ recheckAtMs: NOW + 30_000 });
    expect(conditionOf({ ...waits, now: NOW + 30_000 })).toEqual({
      change: {
        status: "False",
        reason: "AgentNotReady",
        message:
          "Waiting for helper: pod cedana-helper-n1 cannot run container main yet: ImagePullBackOff: Back-off pulling image",
      },
      warn: true,
    });
  });

  test("changes its message at most once a minute", () => {
    const waits = {
      ...stored("False", "AgentNotReady", "old message"),
      pods: [],
      history: { onceReady: false, waitingSinceMs: 0 },
    };
    expect(conditionOf(waits)).toMatchObject({ change: { reason: "AgentNotReady" } });
    expect(conditionOf(waits).warn).toBeUndefined();
    expect(
      conditionOf({ ...waits, history: { ...waits.history, conditionWrittenAtMs: NOW - 20_000 } }),
    ).toEqual({
      recheckAtMs: NOW + 40_000,
    });
  });

  test("names the setting of a DaemonSet that excludes the node", () => {
    const placement = { nodeSelector: { pool: "gpu" }, tolerations: [{ operator: "Exists" }] };
    const excluded = {
      pods: READY.slice(1),
      daemonSets: [daemonSet("helper", { placement }), BOTH[1]],
      now: NOW + 30_000,
    };
    expect(conditionOf(excluded).change).toEqual({
      status: "False",
      reason: "AgentNotReady",
      message:
        "Waiting for helper: DaemonSet cedana-system/cedana-helper excludes this node: its nodeSelector requires pool=gpu, and the node has no label pool",
    });
  });

  describe("of a ready node whose checks only warn", () => {
    const failing = (message: string) => {
      const check = { type: "cedana.ai/node-can-checkpoint", status: "True", reason: "PassedWithFailures" };
      const conditions = [
        { type: "Ready", status: "True" },
        { ...check, message },
      ];
      return [READY[0] as AgentPod, pod("health-check", { status: { conditions } })];
    };
    const pods = failing("registry: no route");
    const change = {
      status: "True",
      reason: "ReadyWithFailures",
      message: "Workloads are admitted. health-check: pod cedana-health-check-n1 reports registry: no route",
    };
    const ready = stored("True", "AgentsReady");
    const failed = stored("True", "ReadyWithFailures", change.message);

    test("names them with an event, at once for a new node", () => {
      expect(taintOf({ pods })).toEqual(removed("Ready"));
      expect(conditionOf({ ...clean, pods })).toEqual({ change, warn: true });
    });

    test("names them on another node after explainAfterSeconds", () => {
      expect(conditionOf({ ...ready, pods })).toEqual({ recheckAtMs: NOW + 60_000 });
      const long = { failuresSinceMs: NOW - 60_000 };
      expect(conditionOf({ ...ready, pods, history: long })).toEqual({ change, warn: true });
    });

    test("changes its message at most once a minute, without a further event, and back when they pass", () => {
      expect(conditionOf({ ...failed, pods })).toEqual({});
      const other = { ...failed, pods: failing("space: full") };
      expect(conditionOf(other)).toMatchObject({ change: { reason: "ReadyWithFailures" } });
      expect(conditionOf(other).warn).toBeUndefined();
      const passed = conditionOf(failed);
      expect(passed).toEqual({ change: expect.objectContaining({ reason: "AgentsReady" }) });
      const recent = { history: { conditionWrittenAtMs: NOW - 20_000 } };
      expect(conditionOf({ ...failed, ...recent })).toEqual({ recheckAtMs: NOW + 40_000 });
      expect(conditionOf({ ...other, ...recent })).toEqual({ recheckAtMs: NOW + 40_000 });
    });

    test("does not name what a check reports that gates the node", () => {
      const check = { type: "cedana.ai/node-can-checkpoint", status: "False", reason: "CheckFailed" };
      const conditions = [
        { type: "Ready", status: "False" },
        { ...check, message: "criu: missing" },
      ];
      const gated = [READY[0] as AgentPod, pod("health-check", { ready: false, status: { conditions } })];
      expect(conditionOf({ pods: gated, now: NOW + 30_000 })).toMatchObject({
        change: { status: "False", message: expect.stringContaining("cannot checkpoint: criu: missing") },
      });
    });
  });

  test("stays True during a rollout, and reports without delay what must survive a restart", () => {
    const old = { pods: AGENTS.map((agent) => pod(agent, { hash: "h0" })) };
    expect(conditionOf({ ...stored("True", "AgentsReady"), ...old })).toEqual({});
    const tainted = node({ condition: { status: "True", reason: "AgentsReady" } });
    expect(conditionOf({ node: tainted, pods: [] })).toMatchObject({
      change: { reason: "AgentLost" },
      urgent: true,
    });
    expect(conditionOf({ ...clean, pods: [], history: { failedOpen: true } })).toMatchObject({
      change: { reason: "FailedOpen" },
      warn: true,
      urgent: true,
    });
  });

  test("changes without delay both ways with a NodeReadinessRule", () => {
    const rule = { settings: settings({ owner: "nodeReadinessRule" }) };
    expect(conditionOf(rule)).toMatchObject({ change: { status: "True" }, urgent: true });
    expect(conditionOf({ ...rule, ...stored("True", "AgentsReady"), pods: [] })).toMatchObject({
      change: { status: "False", reason: "AgentLost" },
      urgent: true,
    });
  });

  test("is removed after an uninstall, and from a node that is no longer selected", () => {
    const uninstalled = {
      ...snapshot(stored("True", "AgentsReady")),
      installation: { state: "uninstalled" } as const,
    };
    expect(decideCondition(uninstalled)).toEqual({ change: "remove" });
    const orphan = node({ labels: {}, taints: [], condition: { status: "True", reason: "AgentsReady" } });
    expect(conditionOf({ node: orphan, history: { orphanSinceMs: NOW - 60_000 } })).toEqual({
      change: "remove",
    });
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
