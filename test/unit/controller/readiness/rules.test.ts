import { applyPatch, type Operation } from "fast-json-patch";
import {
  assess,
  decideCondition,
  decideTaint,
  installationOf,
  projectPod,
  remember,
  taintPatch,
  track,
  type AgentDaemonSet,
  type AgentPod,
  type GateNode,
  type Memory,
  type Situation,
} from "../../../../controller/readiness/rules";
import { type GateSettings } from "../../../../config/programs/controller";
import { AGENTS, daemonSet, node, NOW, OURS, pod, projected, rawNode, rawPod, settings } from "./support";

interface World {
  readonly node?: GateNode;
  readonly pods?: readonly AgentPod[];
  readonly daemonSets?: readonly (AgentDaemonSet | undefined)[];
  readonly settings?: GateSettings;
  readonly memory?: Partial<Memory>;
  readonly braked?: boolean;
  readonly now?: number;
}

const READY = AGENTS.map((agent) => pod(agent));
const BOTH = AGENTS.map((agent) => daemonSet(agent));
const EBS = {
  key: "ebs.csi.aws.com/agent-not-ready",
  effect: "NoExecute",
  timeAdded: "2026-06-01T11:59:00Z",
};

function situation(world: World = {}): Situation {
  const {
    now = NOW,
    settings: given = settings(),
    node: at = node(),
    pods = READY,
    daemonSets = BOTH,
  } = world;
  const presences = track(given.agents, [], ({ name }) => daemonSets[name === "helper" ? 0 : 1], now);
  const assessment = assess(at, presences, pods, given, now);
  const memory = { ...remember(undefined, at, assessment, given, now), ...world.memory };
  const installation = installationOf(presences, memory.onceReady, now);
  return { node: at, assessment, memory, installation, settings: given, now, braked: world.braked ?? false };
}

const taintOf = (world?: World) => decideTaint(situation(world));
const conditionOf = (world?: World) => decideCondition(situation(world));
const removed = (cause: string) => ({ change: { operation: "remove", cause } });

describe("a node is ready", () => {
  const judge = (world: World) => {
    const { ready, serving, agents } = situation(world).assessment;
    return { ready, serving, reasons: agents.map(({ reason }) => reason) };
  };
  const helper = (given: Parameters<typeof pod>[1]) => [pod("helper", given), pod("health-check")];
  const registered = NOW - 30_000;

  test.each<[string, World, boolean, boolean, string | undefined]>([
    ["when both agents are", {}, true, true, undefined],
    ["not without a pod", { pods: READY.slice(1) }, false, false, "NoPod"],
    ["not with an unready pod", { pods: helper({ ready: false }) }, false, false, "PodNotReady"],
    [
      "not with a pod that is being deleted",
      { pods: helper({ deleting: true }) },
      false,
      false,
      "PodDeleting",
    ],
    [
      "not with the old configuration, though it serves",
      { pods: helper({ hash: "h0" }) },
      false,
      true,
      "OldConfiguration",
    ],
    ["not with a pod of another owner", { pods: helper({ owner: "foreign" }) }, false, false, "NoPod"],
    [
      "not with the pod of a node of the same name before it",
      { pods: helper({ createdMs: registered - 60_000, readySinceMs: registered - 50_000 }) },
      false,
      false,
      "PodOfPredecessor",
    ],
    [
      "with a pod made before it that got Ready after it was registered",
      { pods: helper({ createdMs: registered - 60_000, readySinceMs: registered }) },
      true,
      true,
      undefined,
    ],
    [
      "with a pod made for it by a kubelet whose clock is minutes behind",
      { pods: helper({ createdMs: registered + 5000, readySinceMs: registered - 300_000 }) },
      true,
      true,
      undefined,
    ],
    [
      "with an older pod that nobody corrected for two minutes",
      { pods: helper({ createdMs: 0, readySinceMs: 0 }), now: registered + 120_000 },
      true,
      true,
      undefined,
    ],
    ["not without a DaemonSet", { daemonSets: [undefined, BOTH[1]] }, false, false, "NotInstalled"],
    [
      "not with a DaemonSet that is being deleted",
      { daemonSets: [daemonSet("helper", { deleting: true }), BOTH[1]] },
      false,
      false,
      "Uninstalled",
    ],
    [
      "while the old pod goes and the new one is Ready",
      { pods: [pod("helper", { uid: "old", deleting: true, hash: "h0" }), ...READY] },
      true,
      true,
      undefined,
    ],
  ])("%s", (_, world, ready, serving, reason) => {
    expect(judge(world)).toEqual({ ready, serving, reasons: [reason, undefined] });
  });

  test("says when to look again at a pod of a node before it", () => {
    const early = { createdMs: 0, readySinceMs: 0 };
    expect(situation({ pods: AGENTS.map((agent) => pod(agent, early)) }).assessment.recheckAtMs).toBe(
      registered + 120_000,
    );
  });
});

describe("the taint", () => {
  test("goes from a ready node, and is left alone on others", () => {
    expect(taintOf()).toEqual(removed("Ready"));
    expect(taintOf({ pods: [] })).toEqual({});
    expect(taintOf({ node: node({ taints: [EBS] }) })).toEqual({});
    expect(taintOf({ node: node({ deleting: true }) })).toEqual({});
  });

  test("is nobody's here if a NodeReadinessRule holds it", () => {
    expect(taintOf({ settings: settings({ owner: "nodeReadinessRule" }) })).toEqual({});
  });

  test("is told by key and effect, with any value", () => {
    expect(taintOf({ node: node({ taints: [{ ...OURS, value: "" }] }) })).toEqual(removed("Ready"));
    expect(taintOf({ node: node({ taints: [{ ...OURS, effect: "NoExecute" }] }) })).toEqual({});
  });

  test("goes after a minute from a node that the selector does not match, but not before Karpenter labelled it", () => {
    const orphan = { node: node({ labels: {} }), pods: [] };
    expect(taintOf(orphan)).toEqual({ recheckAtMs: NOW + 60_000 });
    expect(taintOf({ ...orphan, memory: { orphanSinceMs: NOW - 60_000 } })).toEqual(removed("Orphaned"));
    const unregistered = { key: "karpenter.sh/unregistered", effect: "NoExecute" };
    expect(taintOf({ node: node({ labels: {}, taints: [OURS, unregistered] }) })).toEqual({});
  });

  test("stays while agents were never installed, and goes a minute after they were uninstalled", () => {
    const none = { daemonSets: [undefined, undefined], pods: [] };
    expect(situation(none).installation).toEqual({ state: "missing" });
    expect(taintOf(none)).toEqual({});
    const leaving = { ...none, memory: { onceReady: true } };
    expect(situation(leaving).installation).toEqual({ state: "leaving", uninstalledAtMs: NOW + 60_000 });
    expect(taintOf(leaving)).toEqual({});
    const gone = { ...situation(leaving), installation: { state: "uninstalled" } as const };
    expect(decideTaint(gone)).toEqual(removed("Uninstalled"));
  });

  test("fails open after its time, counted from when the taint was seen", () => {
    const open = { settings: settings({ failOpenAfterSeconds: 60 }), pods: [] };
    expect(taintOf(open)).toEqual({ recheckAtMs: NOW + 60_000 });
    expect(taintOf({ ...open, memory: { taintedSinceMs: NOW - 60_000 } })).toEqual({
      recheckAtMs: NOW + 30_000,
    });
    expect(taintOf({ ...open, now: NOW + 30_000, memory: { taintedSinceMs: NOW - 60_000 } })).toEqual(
      removed("FailedOpen"),
    );
  });

  test("that something keeps putting back is taken away every ten seconds only", () => {
    const removedAtMs = [5, 4, 3, 2, 1].map((seconds) => NOW - seconds * 1000);
    expect(taintOf({ memory: { removedAtMs } })).toEqual({ recheckAtMs: NOW + 9000 });
    expect(taintOf({ memory: { removedAtMs }, now: NOW + 9000 })).toEqual(removed("Ready"));
  });
});

describe("the taint comes back", () => {
  const retaint = settings({ retaint: { holdOffSeconds: 30, maxUnreadyPercent: 20 } });
  const lost: World = {
    settings: retaint,
    node: node({ taints: [EBS], condition: { status: "True", reason: "AgentsReady" } }),
    pods: [],
    memory: { lostSinceMs: NOW - 30_000 },
  };

  test("on a node that lost an agent for the hold-off", () => {
    expect(taintOf(lost)).toEqual({ change: { operation: "add", cause: "AgentLost" } });
    expect(taintOf({ ...lost, memory: { lostSinceMs: NOW - 10_000 } })).toEqual({
      recheckAtMs: NOW + 20_000,
    });
  });

  test.each<[string, World]>([
    ["if not asked for", { settings: settings() }],
    [
      "where Karpenter has seen the node without it",
      {
        node: node({
          taints: [],
          labels: { "cedana.ai/enabled": "true", "karpenter.sh/initialized": "true" },
          condition: { status: "True", reason: "AgentsReady" },
        }),
      },
    ],
    ["where the agents never were ready", { node: node({ taints: [] }), memory: {} }],
    [
      "during a rollout, while the old agents serve",
      { pods: AGENTS.map((agent) => pod(agent, { hash: "h0" })), memory: {} },
    ],
    ["while an agent is uninstalled", { daemonSets: [undefined, BOTH[1]] }],
    ["after it failed open for this loss", { memory: { lostSinceMs: 0, failedOpen: true } }],
    ["where the node is being deleted", { node: node({ taints: [], deleting: true }) }],
  ])("never %s", (_, world) => {
    expect(taintOf({ ...lost, ...world })).toEqual({});
  });

  test("is held by the brake, and looked at again", () => {
    expect(taintOf({ ...lost, braked: true })).toEqual({ held: true, recheckAtMs: NOW + 15_000 });
  });
});

describe("the condition", () => {
  const clean = { node: node({ taints: [] }) };
  const said = (status: string, reason: string, message?: string) => ({
    node: node({ taints: [], condition: { status, reason, ...(message !== undefined && { message }) } }),
  });

  test("says True once, and then is left alone", () => {
    expect(conditionOf(clean)).toMatchObject({ change: { status: "True", reason: "AgentsReady" } });
    expect(conditionOf(said("True", "AgentsReady", "old words"))).toEqual({});
  });

  test("says nothing of a short wait, and tells a long one by an event", () => {
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
          "Waits for helper: pod cedana-helper-n1 waits: container main: ImagePullBackOff: Back-off pulling image",
      },
      warn: true,
    });
  });

  test("changes its words at most once a minute", () => {
    const waits = {
      ...said("False", "AgentNotReady", "old words"),
      pods: [],
      memory: { onceReady: false, waitingSinceMs: 0 },
    };
    expect(conditionOf(waits)).toMatchObject({ change: { reason: "AgentNotReady" } });
    expect(conditionOf(waits).warn).toBeUndefined();
    expect(
      conditionOf({ ...waits, memory: { ...waits.memory, conditionWrittenAtMs: NOW - 20_000 } }),
    ).toEqual({
      recheckAtMs: NOW + 40_000,
    });
  });

  test("stays True during a rollout, and says at once what a restart must not forget", () => {
    const old = { pods: AGENTS.map((agent) => pod(agent, { hash: "h0" })) };
    expect(conditionOf({ ...said("True", "AgentsReady"), ...old })).toEqual({});
    const tainted = node({ condition: { status: "True", reason: "AgentsReady" } });
    expect(conditionOf({ node: tainted, pods: [] })).toMatchObject({
      change: { reason: "AgentLost" },
      prompt: true,
    });
    expect(conditionOf({ ...clean, pods: [], memory: { failedOpen: true } })).toMatchObject({
      change: { reason: "FailedOpen" },
      warn: true,
      prompt: true,
    });
  });

  test("follows at once both ways where a NodeReadinessRule reads it", () => {
    const rule = { settings: settings({ owner: "nodeReadinessRule" }) };
    expect(conditionOf(rule)).toMatchObject({ change: { status: "True" }, prompt: true });
    expect(conditionOf({ ...rule, ...said("True", "AgentsReady"), pods: [] })).toMatchObject({
      change: { status: "False", reason: "AgentLost" },
      prompt: true,
    });
  });

  test("goes with the agents, and from a node that is no longer selected", () => {
    const gone = {
      ...situation(said("True", "AgentsReady")),
      installation: { state: "uninstalled" } as const,
    };
    expect(decideCondition(gone)).toEqual({ change: "remove" });
    const orphan = node({ labels: {}, taints: [], condition: { status: "True", reason: "AgentsReady" } });
    expect(conditionOf({ node: orphan, memory: { orphanSinceMs: NOW - 60_000 } })).toEqual({
      change: "remove",
    });
  });
});

describe("a patch", () => {
  const apply = (raw: ReturnType<typeof rawNode>, change: "add" | "remove") => {
    const patch = taintPatch(projected(raw), change, settings().taint);
    return applyPatch(structuredClone(raw), structuredClone(patch) as unknown as Operation[], true)
      .newDocument.spec;
  };

  test("takes away ours and nothing else", () => {
    expect(apply(rawNode({ taints: [EBS, OURS] }), "remove")).toEqual({
      podCIDR: "10.0.0.0/24",
      taints: [EBS],
    });
    expect(apply(rawNode(), "remove")).toEqual({ podCIDR: "10.0.0.0/24" });
  });

  test("adds ours and nothing else", () => {
    expect(apply(rawNode({ taints: [EBS] }), "add").taints).toEqual([EBS, OURS]);
    expect(apply(rawNode({ taints: [] }), "add").taints).toEqual([OURS]);
  });

  test("fails on another node and on other taints", () => {
    const observed = projected(rawNode({ taints: [EBS, OURS] }));
    for (const other of [rawNode({ taints: [EBS, OURS], uid: "node-2" }), rawNode()]) {
      const patch = taintPatch(observed, "remove", settings().taint);
      expect(() => applyPatch(other, patch as unknown as Operation[], true)).toThrow(/test/i);
    }
  });

  test("is none where there is nothing to do", () => {
    expect(taintPatch(node({ taints: [EBS] }), "remove", settings().taint)).toBeUndefined();
    expect(taintPatch(node(), "add", settings().taint)).toBeUndefined();
  });
});

test("an unscheduled pod belongs to the node it was made for", () => {
  const raw = rawPod("helper", { ready: false });
  const made = {
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
  expect(projectPod(made, settings())).toMatchObject({
    nodeName: "n7",
    ready: false,
    trouble: "is not scheduled: Unschedulable: Insufficient cpu",
  });
});
