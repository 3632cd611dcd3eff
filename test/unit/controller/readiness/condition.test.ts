import { decideCondition, decideTaint, type AgentPod } from "../../../../controller/readiness/rules";
import {
  AGENTS,
  BOTH,
  daemonSet,
  node,
  NOW,
  pod,
  READY,
  settings,
  snapshot,
  type Situation,
} from "./support";

const conditionOf = (situation?: Situation) => decideCondition(snapshot(situation));

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
      expect(decideTaint(snapshot({ pods })).change).toEqual({ operation: "remove", cause: "Ready" });
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

  test("reports a lost agent without delay although it was just written", () => {
    const waits = { status: "False", reason: "AgentNotReady", message: "Waiting for helper" };
    const recent = { onceReady: true, lostSinceMs: NOW, conditionWrittenAtMs: NOW - 20_000 };
    expect(conditionOf({ node: node({ condition: waits }), pods: [], history: recent })).toMatchObject({
      change: { reason: "AgentLost" },
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
