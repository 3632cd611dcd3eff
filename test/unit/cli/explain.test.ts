import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { report, reportText } from "../../../cli/explain-report";
import { gateOf, observe, type Gate } from "../../../cli/gate";
import { INIT_DEFAULTS, initFile } from "../../../cli/init-file";
import { ungateNodes } from "../../../cli/ungate-nodes";
import { clientOn } from "../../support/controller-runtime";
import { FakeApi } from "../../../testbed/fake-api";
import { AGENTS, NOW, OURS, rawDaemonSet, rawNode, rawPod, settings } from "../controller/readiness/support";

const NODES = "/api/v1/nodes";
const PODS = "/api/v1/namespaces/cedana-system/pods";
const DAEMON_SETS = "/apis/apps/v1/namespaces/cedana-system/daemonsets";
const LEASE = "/apis/coordination.k8s.io/v1/namespaces/cedana-system/leases";
const EBS = { key: "ebs.csi.aws.com/agent-not-ready", effect: "NoExecute" };
const CONTROLLER = { namespace: "cedana-system", name: "cedana-gate" };
const gate: Gate = { settings: settings(), owner: "cedana-cdk's controller", controller: CONTROLLER };

let api: FakeApi;
beforeEach(() => {
  api = new FakeApi();
  for (const agent of AGENTS) api.put(DAEMON_SETS, rawDaemonSet(agent));
});

const owned = (agent: (typeof AGENTS)[number], given: Parameters<typeof rawPod>[1] = {}) => {
  const owner = api.get(`${DAEMON_SETS}/cedana-${agent}`)?.metadata.uid ?? "none";
  api.put(PODS, rawPod(agent, { owner, ...given }));
};

async function explain(name = "n1", of = gate) {
  const observed = await observe(clientOn(api), of.settings, name);
  if (!observed) throw new Error("no node");
  return report(of, observed, NOW, "kubectl --context prod");
}

test("explain reports the pod, the reason, the gate owner and the next commands of a gated node", async () => {
  const raw = rawNode({ taints: [EBS, OURS] });
  const managedFields = [
    { manager: "kubelet", time: "2026-06-01T11:59:30Z", fieldsV1: { "f:spec": { "f:taints": {} } } },
  ];
  const node = { ...raw, metadata: { ...raw.metadata, managedFields } };
  api.put(NODES, node);
  const waiting = { reason: "CrashLoopBackOff", message: "back-off 40s restarting failed container" };
  const status = {
    containerStatuses: [{ name: "helper", state: { waiting }, lastState: { terminated: { exitCode: 1 } } }],
  };
  owned("helper", { ready: false, hash: "h0", status });
  owned("health-check");
  const result = await explain();
  expect(result.verdict).toBe("waiting");
  expect(reportText(result)).toBe(`Node n1 is gated
  taint         cedana.ai/not-ready=true:NoSchedule present, taints last written by kubelet at 2026-06-01T11:59:30Z; gate owner: cedana-cdk's controller
  other taints  ebs.csi.aws.com/agent-not-ready:NoExecute
  helper        not Ready: pod cedana-helper-n1 cannot run container helper yet: CrashLoopBackOff: back-off 40s restarting failed container (terminated with exit code 1) (configuration h0, current h1)
  health-check  Ready: pod cedana-health-check-n1 since 2026-06-01T11:59:50.000Z

Next:
  kubectl --context prod -n cedana-system describe pod cedana-helper-n1
  kubectl --context prod -n cedana-system logs cedana-helper-n1 --all-containers
`);
});

test.each<[string, () => void, string, readonly string[]]>([
  ["ready", () => api.put(NODES, rawNode({ taints: [] })), "ready", []],
  [
    "ready, but still tainted",
    () => api.put(NODES, rawNode()),
    "opening",
    ["kubectl --context prod -n cedana-system logs deployment/cedana-gate"],
  ],
  ["not selected", () => api.put(NODES, rawNode({ labels: {}, taints: [] })), "notGated", []],
  [
    "not selected, but tainted",
    () => api.put(NODES, rawNode({ labels: {} })),
    "orphaned",
    ["kubectl --context prod -n cedana-system logs deployment/cedana-gate"],
  ],
])("explain evaluates a node that is %s", async (_, given, verdict, next) => {
  given();
  for (const agent of AGENTS) owned(agent);
  expect(await explain()).toMatchObject({ verdict, next });
});

test("explain names the command for an agent that is not installed, has no pod, or runs an old configuration", async () => {
  api.put(NODES, rawNode());
  owned("health-check", { hash: "h0" });
  expect((await explain()).next).toEqual([
    "kubectl --context prod -n cedana-system describe daemonset cedana-helper",
    "kubectl --context prod -n cedana-system rollout status daemonset/cedana-health-check",
  ]);
  api.remove(`${DAEMON_SETS}/cedana-helper`);
  expect((await explain()).agents[0]).toMatchObject({ ready: false, reason: "NotInstalled" });
});

describe("explain with an engine that has checks", () => {
  const checks = { gate: ["criu", "kernel"], warn: ["space", "registry"] } as const;
  const withChecks: Gate = { ...gate, checks };
  const health = (status: "True" | "False", reason: string, message: string, problems: string) => [
    { type: "Ready", status },
    { type: "cedana.ai/node-can-checkpoint", status, reason, message },
    { type: "cedana.ai/node-checks", status: "False", message: problems },
  ];
  const line = (text: string, name: string) =>
    text.split("\n").find((each) => each.trimStart().startsWith(name)) ?? "";

  test("shows which gate and which only warn, and what fails without gating the node", async () => {
    api.put(NODES, rawNode({ taints: [] }));
    owned("helper");
    const conditions = health("True", "PassedWithFailures", "registry: no route", "registry=failed");
    owned("health-check", { status: { conditions } });
    const result = await explain("n1", withChecks);
    expect(result).toMatchObject({
      verdict: "ready",
      next: [],
      checks: [
        { check: "criu", effect: "gate", result: "ok" },
        { check: "kernel", effect: "gate", result: "ok" },
        { check: "space", effect: "warn", result: "ok" },
        { check: "registry", effect: "warn", result: "failed" },
      ],
    });
    const text = reportText(result);
    expect(line(text, "checks")).toBe("  checks        gate: criu, kernel; warn: space, registry (failed)");
    expect(line(text, "health-check")).toMatch(/; it reports, without gating the node: registry: no route$/);
  });

  test("shows the check that gates the node", async () => {
    api.put(NODES, rawNode());
    owned("helper");
    const conditions = health("False", "CheckFailed", "criu: missing", "criu=failed");
    owned("health-check", { ready: false, status: { conditions } });
    const text = reportText(await explain("n1", withChecks));
    expect(line(text, "checks")).toContain("gate: criu (failed), kernel; warn: space, registry");
    expect(line(text, "health-check")).toContain("reports that the node cannot checkpoint: criu: missing");
  });

  test("shows that there is no result yet", async () => {
    api.put(NODES, rawNode());
    expect(line(reportText(await explain("n1", withChecks)), "checks")).toContain(
      "gate: criu, kernel; warn: space, registry; no result reported yet",
    );
  });

  test("reads them from the platform file", () => {
    const folder = mkdtempSync(join(tmpdir(), "cedana-cdk-explain-"));
    const file = join(folder, "cedana.yaml");
    const text = initFile({ ...INIT_DEFAULTS, aws: "none" });
    writeFileSync(
      file,
      text.replace("  kind: criu\n", "  kind: criu\n  checks: { registry: gate, kernel: warn }\n"),
    );
    const found = gateOf(file).checks;
    rmSync(folder, { recursive: true });
    expect(found).toEqual({
      gate: ["criu", "criuLink", "cgroup", "runtime", "nodeService", "registry"],
      warn: ["kernel", "space"],
    });
  });
});

test("explain names the setting of a DaemonSet that excludes the node", async () => {
  api.put(NODES, rawNode());
  const placement = { nodeSelector: { pool: "gpu" }, tolerations: [{ operator: "Exists" }] };
  api.put(DAEMON_SETS, rawDaemonSet("helper", { placement }));
  owned("health-check");
  const result = await explain();
  expect(result.agents[0]).toMatchObject({
    reason: "Excluded",
    message:
      "DaemonSet cedana-system/cedana-helper excludes this node: its nodeSelector requires pool=gpu, and the node has no label pool",
  });
  expect(result.next).toEqual([
    "kubectl --context prod -n cedana-system get daemonset cedana-helper -o yaml",
    "kubectl --context prod describe node n1",
  ]);
});

test("explain finds no node with an unknown name", async () => {
  expect(await observe(clientOn(api), gate.settings, "n1")).toBeUndefined();
});

test("explain evaluates the gate by our rules if its owner is Cedana's manager", () => {
  const folder = mkdtempSync(join(tmpdir(), "cedana-cdk-explain-"));
  const file = join(folder, "cedana.yaml");
  writeFileSync(file, initFile({ ...INIT_DEFAULTS, engine: "cedana", aws: "none" }));
  const { owner, settings: evaluated } = gateOf(file);
  rmSync(folder, { recursive: true });
  expect(owner).toBe("Cedana's manager");
  expect(evaluated).toMatchObject({ taint: OURS, nodeSelector: { "cedana.ai/enabled": "true" } });
});

describe("ungate", () => {
  const condition = { status: "True", reason: "AgentsReady" };
  const putGatedNodes = () => {
    for (let index = 0; index < 12; index++) {
      api.put(NODES, rawNode({ name: `n${index}`, taints: index % 2 ? [EBS, OURS] : [EBS], condition }));
    }
    api.put(NODES, rawNode({ name: "other", taints: [EBS] }));
  };

  test("writes nothing without --yes and lists the nodes", async () => {
    putGatedNodes();
    expect(await ungateNodes(clientOn(api), gate, { yes: false, force: false })).toMatch(
      /^12 nodes with.*Nothing was written/s,
    );
    expect(api.writes).toEqual([]);
  });

  test("removes only our taint and condition, also when another client changes the taints", async () => {
    putGatedNodes();
    let raced = false;
    api.before = ({ method, path }) => {
      if (raced || method !== "PATCH" || path !== `${NODES}/n1`) return;
      raced = true;
      api.edit(path, (node) => {
        node["spec"] = { ...(node["spec"] as object), taints: [OURS, EBS] };
      });
    };
    await ungateNodes(clientOn(api), gate, { yes: true, force: false });
    for (let index = 0; index < 12; index++) {
      const node = api.get(`${NODES}/n${index}`);
      expect(node?.["spec"]).toEqual({ podCIDR: "10.0.0.0/24", taints: [EBS] });
      expect(JSON.stringify(node?.["status"])).not.toContain("CedanaReady");
    }
    expect(await ungateNodes(clientOn(api), gate, { yes: true, force: false })).toMatch(
      /^No node has the taint/,
    );
  });

  test("is rejected while a controller holds the lease", async () => {
    putGatedNodes();
    const spec = {
      holderIdentity: "cedana-gate-1",
      renewTime: new Date(Date.now()).toISOString(),
      leaseDurationSeconds: 15,
    };
    const lease = (changes: object) => {
      const metadata = { name: "cedana-gate", namespace: "cedana-system" };
      const object = { metadata, spec: { ...spec, ...changes } };
      api.put(LEASE, object);
    };
    lease({});
    await expect(
      ungateNodes(clientOn(api), gate, { yes: true, force: false, context: "prod" }),
    ).rejects.toThrow("  kubectl --context prod -n cedana-system scale deployment/cedana-gate --replicas=0");
    expect(api.writes).toEqual([]);
    lease({ renewTime: "not a time" });
    await expect(ungateNodes(clientOn(api), gate, { yes: true, force: false })).rejects.toThrow(
      /--replicas=0/,
    );
    lease({ renewTime: "2020-01-01T00:00:00Z" });
    expect(await ungateNodes(clientOn(api), gate, { yes: true, force: false })).toMatch(/^Removed the taint/);
  });
});
