import { ApiError } from "../../../../kube/client";
import { ReadinessGate } from "../../../../controller/readiness";
import type { GateSettings } from "../../../../config/programs/controller";
import type { Taint } from "../../../../controller/readiness/rules";
import { CHECKS } from "../../../../config/programs/agent";
import { Metrics, type EventInput } from "../../../../kube";
import { lead, runtimeOn } from "../../../support/controller-runtime";
import { FakeApi, type Stored } from "../../../../testbed/fake-api";
import { AGENTS, NOW, OURS, rawDaemonSet, rawNode, rawPod, SELECTED, settings } from "./support";

const NODES = "/api/v1/nodes";
const PODS = "/api/v1/namespaces/cedana-system/pods";
const DAEMON_SETS = "/apis/apps/v1/namespaces/cedana-system/daemonsets";
const EBS: Taint = { key: "ebs.csi.aws.com/agent-not-ready", effect: "NoExecute" };

let api: FakeApi;
let events: EventInput[];
let metrics: Metrics;
let stop: () => Promise<void>;

beforeEach(() => {
  jest.useFakeTimers({ now: NOW });
  api = new FakeApi();
  events = [];
  metrics = new Metrics();
  for (const agent of AGENTS) api.put(DAEMON_SETS, rawDaemonSet(agent));
});
afterEach(async () => {
  await stop();
  jest.useRealTimers();
});

async function start(changes: Partial<GateSettings> = {}): Promise<void> {
  const runtime = runtimeOn(api, { events, metrics });
  const gate = new ReadinessGate({ ...runtime, settings: settings(changes) });
  const controller = new AbortController();
  const leads = lead(runtime, gate.controllers, controller.signal);
  await jest.advanceTimersByTimeAsync(10);
  stop = async () => {
    controller.abort();
    await jest.advanceTimersByTimeAsync(10);
    await leads;
  };
}

const pass = (seconds: number) => jest.advanceTimersByTimeAsync(seconds * 1000);
const now = () => Date.now();

/** Adds a node. Its agents are owned by the DaemonSets with the UIDs of the API server. */
function join(name: string, given: Parameters<typeof rawNode>[0] = {}): void {
  api.put(NODES, rawNode({ name, createdMs: now(), ...given }));
}
function agents(name: string, given: Parameters<typeof rawPod>[1] = {}): void {
  for (const agent of AGENTS) {
    const owner = api.get(`${DAEMON_SETS}/cedana-${agent}`)?.metadata.uid ?? "none";
    api.put(PODS, rawPod(agent, { node: name, createdMs: now(), readySinceMs: now(), owner, ...given }));
  }
}
function retaint(name: string): void {
  api.edit(`${NODES}/${name}`, (node) => {
    node["spec"] = { ...(node["spec"] as object), taints: [EBS, OURS] };
  });
}
const taints = (name: string) =>
  ((api.get(`${NODES}/${name}`) as Stored)["spec"] as { taints?: Taint[] }).taints ?? [];
const condition = (name: string) =>
  (
    (api.get(`${NODES}/${name}`) as Stored)["status"] as {
      conditions: { type: string; status: string; reason: string }[];
    }
  ).conditions
    .filter(({ type }) => type === "CedanaReady")
    .map(({ status, reason }) => `${status} ${reason}`)[0];
const writes = () => api.writes.map(({ method, path }) => `${method} ${path}`);

test("removes the taint when the agents get Ready, and again when another client adds it", async () => {
  join("n1", { taints: [EBS, OURS] });
  await start();
  await pass(5);
  expect(taints("n1")).toEqual([EBS, OURS]);
  agents("n1");
  await pass(0.1);
  expect(taints("n1")).toEqual([EBS]);
  expect(condition("n1")).toBeUndefined();
  await pass(3);
  expect(condition("n1")).toBe("True AgentsReady");
  expect(writes()).toEqual([`PATCH ${NODES}/n1`, `PATCH ${NODES}/n1/status`]);
  retaint("n1");
  await pass(0.1);
  expect(taints("n1")).toEqual([EBS]);
  await pass(600);
  expect(api.writes).toHaveLength(3);
  expect(events).toEqual([]);
  expect(await metrics.registry.metrics()).toContain('cedana_readiness_nodes{state="ready"} 1');
});

test("removes all taints before it writes the first condition, with two writes per node", async () => {
  const names = Array.from({ length: 60 }, (_, index) => `n${index}`);
  for (const name of names) join(name);
  await start();
  for (const name of names) agents(name);
  await pass(20);
  const kinds = api.writes.map(({ path }) => (path.endsWith("/status") ? "condition" : "taint"));
  expect(kinds).toEqual([...names.map(() => "taint"), ...names.map(() => "condition")]);
});

test("reports a wait once after a minute, and waits for the DaemonSet's new configuration", async () => {
  join("n1");
  await start();
  agents("n1", { hash: "h0" });
  await pass(62);
  expect(taints("n1")).toEqual([OURS]);
  expect(condition("n1")).toBe("False AgentNotReady");
  expect(events).toEqual([
    expect.objectContaining({ type: "Warning", reason: "AgentNotReady", action: "HoldGate" }),
  ]);
  await pass(300);
  expect(api.writes).toHaveLength(1);
  agents("n1");
  await pass(3);
  expect([taints("n1"), condition("n1")]).toEqual([[], "True AgentsReady"]);
});

test("adds the taint to a node that lost an agent, but to no further node at the disruption limit", async () => {
  const names = ["n1", "n2", "n3", "n4", "n5"];
  for (const name of names) join(name);
  await start({ retaint: { holdOffSeconds: 30, maxUnreadyPercent: 20 } });
  for (const name of names) agents(name);
  await pass(10);
  agents("n1", { ready: false });
  await pass(29);
  expect(taints("n1")).toEqual([]);
  await pass(3);
  expect([taints("n1"), condition("n1")]).toEqual([[OURS], "False AgentLost"]);
  agents("n2", { ready: false });
  agents("n3", { ready: false });
  await pass(60);
  expect([taints("n2"), taints("n3")]).toEqual([[], []]);
  expect(events.filter(({ reason }) => reason === "TooManyUnreadyNodes")).toHaveLength(1);
  expect(await metrics.registry.metrics()).toContain("cedana_readiness_disruption_limit_reached 1");
  agents("n1");
  agents("n2");
  await pass(20);
  expect([taints("n1"), taints("n3")]).toEqual([[], [OURS]]);
  expect(await metrics.registry.metrics()).toContain("cedana_readiness_disruption_limit_reached 0");
});

test("opens nodes whose checks only warn, with condition and event, and reports when they pass", async () => {
  const failing = [
    { type: "Ready", status: "True" },
    {
      type: "cedana.ai/node-can-checkpoint",
      status: "True",
      reason: "PassedWithFailures",
      message: "registry: registry.example.com/checkpoints does not respond",
    },
  ];
  join("n1");
  agents("n1");
  await start();
  await pass(5);
  expect([taints("n1"), condition("n1")]).toEqual([[], "True AgentsReady"]);
  api.put(PODS, { ...api.get(`${PODS}/cedana-health-check-n1`), status: { conditions: failing } } as never);
  join("n2");
  agents("n2");
  api.put(PODS, { ...api.get(`${PODS}/cedana-health-check-n2`), status: { conditions: failing } } as never);
  await pass(5);
  // A new node reports at once, a short failure of another one is not reported.
  expect([taints("n2"), condition("n2"), condition("n1")]).toEqual([
    [],
    "True ReadyWithFailures",
    "True AgentsReady",
  ]);
  await pass(60);
  expect(condition("n1")).toBe("True ReadyWithFailures");
  expect(events.map(({ regarding, reason, note }) => [regarding.name, reason, note])).toEqual(
    ["n2", "n1"].map((node) => [
      node,
      "ReadyWithFailures",
      `Workloads are admitted. health-check: pod cedana-health-check-${node} reports registry: registry.example.com/checkpoints does not respond`,
    ]),
  );
  const passed = failing.map((one) => ({ ...one, reason: "ChecksPassed", message: "" }));
  for (const node of ["n1", "n2"]) {
    const pod = api.get(`${PODS}/cedana-health-check-${node}`);
    api.put(PODS, { ...pod, status: { conditions: passed } } as never);
  }
  await pass(65);
  expect([condition("n1"), condition("n2")]).toEqual(["True AgentsReady", "True AgentsReady"]);
  expect(events).toHaveLength(2);
});

test("fails open after failOpenAfterSeconds with an event, and does not add the taint again", async () => {
  join("n1");
  await start({ failOpenAfterSeconds: 120, retaint: { holdOffSeconds: 0, maxUnreadyPercent: 100 } });
  await pass(119);
  expect(taints("n1")).toEqual([OURS]);
  await pass(60);
  expect([taints("n1"), condition("n1")]).toEqual([[], "False FailedOpen"]);
  expect(events.map(({ reason }) => reason)).toEqual(["AgentNotReady", "FailedOpen"]);
});

test.each([0, 1, 2, 3, 4, 5, 6, 7])(
  "acts on time although a timer fires a millisecond early (clock read %i is early)",
  async (early) => {
    join("n1");
    const clock = Date.now;
    let reads = 0;
    const due = NOW + 120_000;
    // Some reads of the clock at the due time return a millisecond less.
    const spy = jest.spyOn(Date, "now").mockImplementation(() => {
      const time = clock();
      return time === due && reads++ <= early ? due - 1 : time;
    });
    try {
      await start({ failOpenAfterSeconds: 120 });
      await pass(125);
      expect(taints("n1")).toEqual([]);
    } finally {
      spy.mockRestore();
    }
  },
);

test("writes a condition again after a conflict", async () => {
  join("n1");
  await start();
  let conflicts = 3;
  api.before = ({ method, path }) => {
    if (method === "PATCH" && path.endsWith("/status") && conflicts-- > 0)
      throw new ApiError(409, "the object has been modified", { reason: "Conflict" });
  };
  agents("n1");
  await pass(30);
  expect([taints("n1"), condition("n1")]).toEqual([[], "True AgentsReady"]);
});

test("removes taint and condition after an uninstall, and from unselected nodes", async () => {
  for (const name of ["n1", "n2", "n3"]) join(name);
  await start();
  agents("n1");
  await pass(5);
  for (const agent of AGENTS) api.remove(`${DAEMON_SETS}/cedana-${agent}`);
  api.edit(`${NODES}/n3`, (node) => {
    node.metadata.labels = {};
  });
  await pass(55);
  expect([taints("n2"), taints("n3")]).toEqual([[OURS], [OURS]]);
  await pass(10);
  for (const name of ["n1", "n2", "n3"]) expect([taints(name), condition(name)]).toEqual([[], undefined]);
  expect(events.map(({ reason }) => reason)).toContain("AgentsUninstalled");
});

test("keeps the taint while the agents were never installed", async () => {
  for (const agent of AGENTS) api.remove(`${DAEMON_SETS}/cedana-${agent}`);
  join("n1");
  await start();
  await pass(300);
  expect([taints("n1"), condition("n1")]).toEqual([[OURS], "False AgentNotInstalled"]);
});

test("counts the nodes by failed check, from the status of the health checks' pods", async () => {
  const counts = async () => {
    const text = await metrics.registry.metrics();
    const all = [...text.matchAll(/^cedana_node_checks\{check="(\w+)",status="(\w+)"\} (\d+)$/gm)];
    return all.map(([, check, status, count]) => [`${check} ${status}`, Number(count)] as const);
  };
  await start();
  expect(await counts()).toHaveLength(2 * CHECKS.length);
  const report = (name: string, message: string, more: Parameters<typeof rawPod>[1] = {}) => {
    const conditions = [{ type: "cedana.ai/node-checks", status: "False", message }];
    api.put(PODS, rawPod("health-check", { node: name, ...more, status: { conditions } }));
  };
  report("n1", "space=failed ioUring=warning");
  report("n2", "space=failed registry=failed");
  report("n3", "space=failed", { deleting: true });
  await pass(1);
  expect((await counts()).filter(([, count]) => count > 0)).toEqual([
    ["space failed", 2],
    ["registry failed", 1],
    ["ioUring warning", 1],
  ]);
  report("n1", "");
  report("n2", "registry=failed");
  await pass(1);
  expect((await counts()).filter(([, count]) => count > 0)).toEqual([["registry failed", 1]]);
});

test("measures the longest wait for the removal of a taint, and counts writes from 0", async () => {
  const oldest = async () => {
    const text = await metrics.registry.metrics();
    return Number(/^cedana_readiness_oldest_waiting_seconds (\S+)$/m.exec(text)?.[1]);
  };
  join("n1", { createdMs: now() - 600_000 });
  join("n2");
  await start();
  const text = await metrics.registry.metrics();
  for (const operation of ["add", "remove"])
    for (const result of ["success", "conflict", "gone", "error", "dryRun"])
      expect(text).toContain(
        `cedana_readiness_taint_operations_total{operation="${operation}",result="${result}"} 0\n`,
      );
  await pass(300);
  expect(await oldest()).toBeCloseTo(900, 0);
  agents("n1");
  await pass(1);
  expect(await oldest()).toBeCloseTo(301, 0);
  // Its agents are Ready, but the API server rejects the removal of the taint.
  api.before = ({ method, path }) => {
    if (method === "PATCH" && path === `${NODES}/n2`) throw new ApiError(500, "no");
  };
  agents("n2");
  await pass(100);
  expect(await oldest()).toBeCloseTo(401, 0);
  delete api.before;
  await pass(20);
  expect(await oldest()).toBe(0);
});

test("writes nothing in a dry run and counts each change once", async () => {
  join("n1");
  agents("n1");
  await start({ dryRun: true });
  await pass(120);
  expect([api.writes, events]).toEqual([[], []]);
  expect(await metrics.registry.metrics()).toContain(
    'cedana_readiness_taint_operations_total{operation="remove",result="dryRun"} 1',
  );
});

test("writes only the condition, without delay, with a NodeReadinessRule", async () => {
  join("n1");
  await start({ owner: "nodeReadinessRule" });
  agents("n1");
  await pass(0.1);
  expect(condition("n1")).toBe("True AgentsReady");
  agents("n1", { ready: false });
  await pass(0.1);
  expect(condition("n1")).toBe("False AgentLost");
  expect(writes()).toEqual([`PATCH ${NODES}/n1/status`, `PATCH ${NODES}/n1/status`]);
});

test("reports a client that keeps adding the taint, and does not race it at full speed", async () => {
  join("n1");
  agents("n1");
  api.after = ({ method, path }) => {
    if (method === "PATCH" && path === `${NODES}/n1`) retaint("n1");
  };
  await start();
  await pass(60);
  expect(api.writes.length).toBeLessThan(20);
  expect(events.map(({ reason }) => reason)).toContain("TaintContested");
  delete api.after;
  await pass(30);
  expect(taints("n1")).toEqual([EBS]);
});

test("does not write unselected nodes, nor the taint of initialized ones", async () => {
  join("n1", { labels: {}, taints: [EBS] });
  join("n2", { labels: { ...SELECTED, "karpenter.sh/initialized": "true" }, taints: [] });
  await start({ retaint: { holdOffSeconds: 0, maxUnreadyPercent: 100 } });
  agents("n2");
  await pass(5);
  agents("n2", { ready: false });
  await pass(50);
  expect([taints("n1"), taints("n2")]).toEqual([[EBS], []]);
  expect(writes()).toEqual([`PATCH ${NODES}/n2/status`]);
});
