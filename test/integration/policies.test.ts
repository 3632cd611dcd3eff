/**
 * Policies on a real API server: two controllers as processes, with the permissions and admission policies of the install,
 * simulated pods, and a test double of the REST API of Cedana's manager that takes the checkpoints. Needs
 * CEDANA_INTEGRATION_KUBECONFIG and `npm run build`.
 */
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Testing } from "cdk8s";
import { CedanaChart } from "../../stacks/kubernetes";
import { ApiServer, eventually, kubeconfig, type KubernetesObject } from "../../testbed/cluster/apiserver";
import { ControllerProcess } from "../../testbed/cluster/process";
import { ManagerServer } from "../support/manager-server";
import { kubeconfigOf, leaderOf } from "./support/account";
import { apply, namespace } from "./support/apiserver-install";
import { isReady, settingsIn } from "./support/policies-install";

const config = kubeconfig();
const [SYSTEM, TEAM, OTHER, NODE] = ["policies-system", "policies-team", "policies-other", "policies-node"];
const ACCOUNT = `system:serviceaccount:${SYSTEM}:policies-controller`;
const GROUP = "/apis/automation.cedana.ai/v1alpha1";
const CHECKPOINTS = `${GROUP}/namespaces/${TEAM}/checkpoints`;
const POLICIES = `${GROUP}/namespaces/${TEAM}/checkpointpolicies`;
const MERGE = { contentType: "application/merge-patch+json" };

interface Checkpoint extends KubernetesObject {
  readonly metadata: KubernetesObject["metadata"] & {
    readonly uid: string;
    readonly creationTimestamp: string;
    readonly annotations: Record<string, string>;
  };
  readonly spec: { readonly podRef: { readonly name: string } };
  readonly status?: { readonly conditions?: readonly { type: string; status: string }[] };
}

type Policy = KubernetesObject & {
  readonly metadata: { readonly uid: string };
  readonly status?: Record<string, unknown> & {
    readonly conditions?: readonly { type: string; status: string; reason: string }[];
  };
};

(config === undefined ? describe.skip : describe)("policies on a real API server", () => {
  const folder = mkdtempSync(join(tmpdir(), "cedana-policies-"));
  let api: ApiServer;
  let manager: ManagerServer;
  let objects: readonly KubernetesObject[] = [];
  let replicas: ControllerProcess[] = [];

  const send: ApiServer["send"] = (...request) => api.send(...request);

  const pod = async (name: string, { home = TEAM, labels = {} } = {}) => {
    const path = `/api/v1/namespaces/${home}/pods`;
    await send("POST", path, {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name, labels },
      spec: {
        nodeName: NODE,
        containers: [{ name: "app", image: "app:1" }],
        automountServiceAccountToken: false,
      },
    });
    await send("PATCH", `${path}/${name}/status`, { status: { phase: "Running" } }, MERGE);
  };
  const policy = (name: string, spec: object) =>
    send<Policy>("POST", POLICIES, {
      apiVersion: "automation.cedana.ai/v1alpha1",
      kind: "CheckpointPolicy",
      metadata: { name },
      spec: { action: { checkpoint: {} }, ...spec },
    });
  const taken = async (name: string, home = TEAM) => {
    const path = `${GROUP}/namespaces/${home}/checkpoints?labelSelector=cedana.ai/policy=${name}`;
    const { items } = await send<{ items: Checkpoint[] }>("GET", path);
    return items;
  };
  const statusOf = async (path: string) => (await send<Policy>("GET", path)).status ?? {};
  const annotate = (path: string) =>
    send(
      "PATCH",
      path,
      { metadata: { annotations: { "cedana.ai/checkpoint-requested-at": new Date().toISOString() } } },
      MERGE,
    );

  /** Returns the process that holds the Lease. */
  const leader = () => leaderOf(api, { namespace: SYSTEM, lease: "policies-controller" }, () => replicas);

  beforeAll(async () => {
    api = new ApiServer(config ?? "");
    manager = await ManagerServer.start();
    const image = { repository: "registry.example.com/controller", tag: "0.1.0" };
    const all = new CedanaChart(Testing.app(), "policies", {
      engine: {
        kind: "cedana",
        clusterId: "0b8f5b0e-6d0c-4b52-9f3e-3f3c8e1f7a10",
        url: "https://example.com",
      },
      install: {
        name: "policies",
        namespace: SYSTEM,
        controller: { image },
        checkpoints: { namespaces: [TEAM, OTHER] },
        policies: {},
      },
    }).toJson() as KubernetesObject[];
    objects = all.filter(
      ({ kind, metadata: { name } }) =>
        ["Namespace", "CustomResourceDefinition"].includes(kind) ||
        (/^policies-(controller|checkpoint)/.test(name) &&
          !["Deployment", "PodDisruptionBudget"].includes(kind)),
    );
    const node = { apiVersion: "v1", kind: "Node", metadata: { name: NODE } };
    for (const object of [namespace(TEAM), namespace(OTHER, { tier: "gold" }), node, ...objects])
      await apply(api, object);
    for (const path of [CHECKPOINTS, POLICIES, `${GROUP}/clustercheckpointpolicies`])
      await eventually(30, `${path} is served`, async () => (await api.request("GET", path)).status === 200);
    const settings = settingsIn(all, "policies-controller-settings", manager.url);
    const account = { namespace: SYSTEM, account: "policies-controller", from: config ?? "", folder };
    const kubeconfigOfAccount = await kubeconfigOf(api, account);
    replicas = ["policies-a", "policies-b"].map(
      (replica) => new ControllerProcess({ kubeconfig: kubeconfigOfAccount, settings, replica, folder }),
    );
    await leader();
  });

  afterAll(async () => {
    await Promise.all(replicas.map((one) => one.stop()));
    for (const home of [TEAM, OTHER]) {
      await api.request("DELETE", `${GROUP}/namespaces/${home}/checkpointpolicies`);
      await api.request("DELETE", `${GROUP}/namespaces/${home}/checkpoints`);
      await api.request("DELETE", `/api/v1/namespaces/${home}/pods?gracePeriodSeconds=0`);
    }
    await api.request("DELETE", `/apis/apps/v1/namespaces/${TEAM}/deployments`);
    await api.request("DELETE", `${GROUP}/clustercheckpointpolicies/gold`);
    await api.request("DELETE", `/api/v1/nodes/${NODE}`);
    for (const object of objects.toReversed())
      if (!["Namespace", "CustomResourceDefinition"].includes(object.kind)) await api.delete(object);
    await manager.stop();
    api.close();
  });

  test("the annotation of a pod is answered by a Checkpoint, and the status of the policy shows it", async () => {
    const { metadata } = await policy("on-request", {
      trigger: { manual: {} },
      filter: { pods: { matchLabels: { app: "web" } } },
    });
    await pod("web-0", { labels: { app: "web" } });
    await pod("db-0");
    await annotate(`/api/v1/namespaces/${TEAM}/pods/web-0`);
    await annotate(`/api/v1/namespaces/${TEAM}/pods/db-0`);
    await eventually(20, "the Checkpoint is completed", async () =>
      (await taken("on-request")).some(isReady),
    );
    const all = await taken("on-request");
    expect(all).toMatchObject([
      {
        metadata: { labels: { "cedana.ai/policy": "on-request", "cedana.ai/policy-uid": metadata.uid } },
        spec: { podRef: { name: "web-0" } },
      },
    ]);
    await eventually(40, "the status is written", async () => {
      const { matchedPods, inFlight, lastRunTime } = await statusOf(`${POLICIES}/on-request`);
      return matchedPods === 1 && inFlight === 0 && lastRunTime !== undefined;
    });
    const { conditions } = await statusOf(`${POLICIES}/on-request`);
    expect(conditions?.filter(({ status }) => status === "True")).toMatchObject([
      { type: "Ready", reason: "Scheduled" },
    ]);
  });

  test("the annotation of a Deployment is answered by a Checkpoint of each of its pods", async () => {
    await policy("workload", {
      trigger: { manual: {} },
      filter: { owners: [{ kind: "Deployment", names: ["api"] }] },
    });
    const labels = { set: "api" };
    const deployments = `/apis/apps/v1/namespaces/${TEAM}/deployments`;
    await send("POST", deployments, {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name: "api" },
      spec: {
        replicas: 2,
        selector: { matchLabels: labels },
        template: {
          metadata: { labels },
          spec: { nodeName: NODE, containers: [{ name: "app", image: "app:1" }] },
        },
      },
    });
    const pods = `/api/v1/namespaces/${TEAM}/pods`;
    let names: string[] = [];
    await eventually(40, "the Deployment has its pods", async () => {
      const { items } = await send<{ items: KubernetesObject[] }>("GET", `${pods}?labelSelector=set=api`);
      names = items.map(({ metadata }) => metadata.name).toSorted();
      return names.length === 2;
    });
    for (const name of names)
      await send("PATCH", `${pods}/${name}/status`, { status: { phase: "Running" } }, MERGE);
    await eventually(40, "the pods match", async () => {
      const { matchedPods } = await statusOf(`${POLICIES}/workload`);
      return matchedPods === 2;
    });
    await annotate(`${deployments}/api`);
    await eventually(
      20,
      "both are completed",
      async () => (await taken("workload")).filter(isReady).length === 2,
    );
    const all = await taken("workload");
    expect(all.map(({ spec }) => spec.podRef.name).toSorted()).toEqual(names);
  });

  test("a ClusterCheckpointPolicy checkpoints pods of the namespaces with its labels", async () => {
    await pod("elsewhere", { home: OTHER });
    await send("POST", `${GROUP}/clustercheckpointpolicies`, {
      apiVersion: "automation.cedana.ai/v1alpha1",
      kind: "ClusterCheckpointPolicy",
      metadata: { name: "gold" },
      spec: {
        trigger: { manual: {} },
        filter: { namespaceSelector: { matchLabels: { tier: "gold" } } },
        action: { checkpoint: {} },
      },
    });
    await annotate(`/api/v1/namespaces/${OTHER}/pods/elsewhere`);
    await eventually(20, "the Checkpoint is completed", async () =>
      (await taken("gold", OTHER)).some(isReady),
    );
    await eventually(40, "the status is written", async () => {
      const { matchedPods, lastRunTime } = await statusOf(`${GROUP}/clustercheckpointpolicies/gold`);
      return matchedPods === 1 && lastRunTime !== undefined;
    });
    expect(await taken("gold")).toEqual([]);
  });

  test("a heartbeat makes up the tick that no process led, and takes none twice", async () => {
    await pod("beat-0", { labels: { app: "beat" } });
    await policy("beat", {
      trigger: { heartbeat: { intervalSeconds: 60, jitterSeconds: 0 } },
      filter: { pods: { matchLabels: { app: "beat" } } },
      minSpacingSeconds: 10,
    });
    await eventually(80, "the first tick", async () => (await taken("beat")).some(isReady));
    // The Lease is free about 15 s after the leader, so that no process leads at the tick.
    await new Promise((resolve) => setTimeout(resolve, 57_000 - (Date.now() % 60_000)));
    const killed = await leader();
    killed.kill("SIGKILL");
    await killed.ended;
    const tickMs = Math.ceil(Date.now() / 60_000) * 60_000;
    await eventually(100, "two more ticks", async () => (await taken("beat")).filter(isReady).length === 3);
    expect(await leader()).not.toBe(killed);
    const all = (await taken("beat")).map(({ metadata }) => ({
      dueMs: Date.parse(metadata.annotations["cedana.ai/policy-due"] ?? ""),
      createdMs: Date.parse(metadata.creationTimestamp),
    }));
    const due = all.map(({ dueMs }) => dueMs).toSorted((a, b) => a - b);
    expect(due).toEqual([tickMs - 60_000, tickMs, tickMs + 60_000]);
    const made = all.find(({ dueMs }) => dueMs === tickMs)?.createdMs ?? 0;
    expect(made - tickMs).toBeGreaterThan(1000);
  }, 300_000);

  test("only the controller sets the labels of a policy, and creates no Checkpoint without them", async () => {
    const role = {
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "Role",
      metadata: { name: "policies-user", namespace: TEAM },
    };
    await apply(api, {
      ...role,
      rules: [{ apiGroups: ["automation.cedana.ai"], resources: ["checkpoints"], verbs: ["create", "get"] }],
    });
    await apply(api, {
      ...role,
      kind: "RoleBinding",
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name: "policies-user" },
      subjects: [{ kind: "User", name: "developer", apiGroup: "rbac.authorization.k8s.io" }],
    });
    const create = async (as: string, labels: object) => {
      const { status, body } = await api.request<{ message?: string }>(
        "POST",
        `${CHECKPOINTS}?dryRun=All`,
        {
          apiVersion: "automation.cedana.ai/v1alpha1",
          kind: "Checkpoint",
          metadata: { name: "guarded", labels },
          spec: { podRef: { name: "web-0" } },
        },
        { as },
      );
      return `${status} ${body.message ?? ""}`;
    };
    await eventually(20, "the role is in force", async () =>
      (await create("developer", {})).startsWith("201"),
    );
    expect(await create("developer", { "cedana.ai/policy-uid": "u" })).toContain(
      "only the controller sets the label cedana.ai/policy-uid",
    );
    expect(await create(ACCOUNT, { "cedana.ai/policy-uid": "u" })).toMatch(/^201 /);
    expect(await create(ACCOUNT, {})).toContain(
      "the controller creates no Checkpoint without the label cedana.ai/policy-uid",
    );
    for (const kind of ["Role", "RoleBinding"]) await api.delete({ ...role, kind });
  });
});
