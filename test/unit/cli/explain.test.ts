import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { observe } from "../../../cli/explain-read";
import { report } from "../../../cli/explain-report";
import { gateOf, type Gate } from "../../../cli/explain-settings";
import { reportText } from "../../../cli/explain-text";
import { INIT_DEFAULTS, initFile } from "../../../cli/init-file";
import { ungateNodes } from "../../../cli/ungate";
import { clientOn } from "../../support/controller-runtime";
import { FakeApi } from "../../support/fake-api";
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

test("a waiting node: which pod, why, who holds the taint, what to run next", async () => {
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
  const said = await explain();
  expect(said.verdict).toBe("waiting");
  expect(reportText(said)).toBe(`Node n1 waits
  taint         cedana.ai/not-ready=true:NoSchedule is on it, taints last written by kubelet at 2026-06-01T11:59:30Z; held by cedana-cdk's controller
  others        also keep pods away: ebs.csi.aws.com/agent-not-ready:NoExecute
  helper        waits: pod cedana-helper-n1 is waiting for container helper: CrashLoopBackOff: back-off 40s restarting failed container (terminated with exit code 1) (configuration h0, current h1)
  health-check  Ready: pod cedana-health-check-n1 since 2026-06-01T11:59:50.000Z

Next:
  kubectl --context prod -n cedana-system describe pod cedana-helper-n1
  kubectl --context prod -n cedana-system logs cedana-helper-n1 --all-containers
`);
});

test.each<[string, () => void, string, readonly string[]]>([
  ["ready", () => api.put(NODES, rawNode({ taints: [] })), "ready", []],
  [
    "about to open",
    () => api.put(NODES, rawNode()),
    "opening",
    ["kubectl --context prod -n cedana-system logs deployment/cedana-gate"],
  ],
  ["not gated", () => api.put(NODES, rawNode({ labels: {}, taints: [] })), "notGated", []],
  [
    "not gated with our taint",
    () => api.put(NODES, rawNode({ labels: {} })),
    "orphaned",
    ["kubectl --context prod -n cedana-system logs deployment/cedana-gate"],
  ],
])("a node that is %s", async (_, given, verdict, next) => {
  given();
  for (const agent of AGENTS) owned(agent);
  expect(await explain()).toMatchObject({ verdict, next });
});

test("agents that are not installed, have no pod, or run an old configuration", async () => {
  api.put(NODES, rawNode());
  owned("health-check", { hash: "h0" });
  expect((await explain()).next).toEqual([
    "kubectl --context prod -n cedana-system describe daemonset cedana-helper",
    "kubectl --context prod -n cedana-system rollout status daemonset/cedana-health-check",
  ]);
  api.remove(`${DAEMON_SETS}/cedana-helper`);
  expect((await explain()).agents[0]).toMatchObject({ ready: false, reason: "NotInstalled" });
});

test("a node that there is not", async () => {
  expect(await observe(clientOn(api), gate.settings, "n1")).toBeUndefined();
});

test("a gate that Cedana's manager holds is judged as well, and said to be its", () => {
  const folder = mkdtempSync(join(tmpdir(), "cedana-cdk-explain-"));
  const file = join(folder, "cedana.yaml");
  writeFileSync(file, initFile({ ...INIT_DEFAULTS, engine: "cedana", aws: "none" }));
  const { owner, settings: told } = gateOf(file);
  rmSync(folder, { recursive: true });
  expect(owner).toBe("Cedana's manager");
  expect(told).toMatchObject({ taint: OURS, nodeSelector: { "cedana.ai/enabled": "true" } });
});

describe("ungate", () => {
  const condition = { status: "True", reason: "AgentsReady" };
  const held = () => {
    for (let index = 0; index < 12; index++) {
      api.put(NODES, rawNode({ name: `n${index}`, taints: index % 2 ? [EBS, OURS] : [EBS], condition }));
    }
    api.put(NODES, rawNode({ name: "other", taints: [EBS] }));
  };

  test("says what it would do, and writes nothing", async () => {
    held();
    expect(await ungateNodes(clientOn(api), gate, { yes: false, force: false })).toMatch(
      /^12 nodes with.*Nothing was written/s,
    );
    expect(api.writes).toEqual([]);
  });

  test("takes the taint and the condition from all nodes, and nothing else", async () => {
    held();
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

  test("refuses beside a controller that runs, unless forced", async () => {
    held();
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
    expect(await ungateNodes(clientOn(api), gate, { yes: true, force: false })).toMatch(/^Took the taint/);
  });
});
