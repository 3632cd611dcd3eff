/**
 * The trigger `webhook` and the actions `checkpointThenDelete`, `suspend` and `resume` on a real API server: two controllers as
 * processes, with the permissions and admission policies of the install, Kubernetes' own controllers, simulated pods, and a test
 * double of the REST API of Cedana's manager that takes the checkpoints. Needs CEDANA_INTEGRATION_KUBECONFIG and `npm run build`.
 */
import { randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync } from "node:fs";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ControllerSettings } from "../../config/programs/controller";
import { sign } from "../../controller/policies/webhook/signature";
import { issue } from "../../kube/webhook";
import { ApiServer, eventually, kubeconfig, type KubernetesObject } from "../../testbed/cluster/apiserver";
import { ControllerProcess } from "../../testbed/cluster/process";
import { ManagerServer } from "../support/manager-server";
import { kubeconfigOf, leaderOf } from "./support/account";
import { apply, namespace } from "./support/apiserver-install";
import { chart, secret, settingsOf, SYSTEM, TEAM } from "./support/policy-actions-install";

const config = kubeconfig();
const NODE = "actions-node";
const ACCOUNT = `system:serviceaccount:${SYSTEM}:actions-controller`;
const GROUP = "/apis/automation.cedana.ai/v1alpha1";
const CHECKPOINTS = `${GROUP}/namespaces/${TEAM}/checkpoints`;
const POLICIES = `${GROUP}/namespaces/${TEAM}/checkpointpolicies`;
const PODS = `/api/v1/namespaces/${TEAM}/pods`;
const DEPLOYMENTS = `/apis/apps/v1/namespaces/${TEAM}/deployments`;
const BUDGETS = `/apis/policy/v1/namespaces/${TEAM}/poddisruptionbudgets`;
const MERGE = { contentType: "application/merge-patch+json" };
const SERVICE = `actions-policies.${SYSTEM}.svc`;
const KEY = randomBytes(32);

interface Listed {
  readonly items: readonly (KubernetesObject & {
    readonly status?: { conditions?: { type: string; status: string }[] };
  })[];
}
interface Deployment extends KubernetesObject {
  readonly spec: { readonly replicas: number };
}

(config === undefined ? describe.skip : describe)("actions of policies on a real API server", () => {
  const folder = mkdtempSync(join(tmpdir(), "cedana-actions-"));
  let api: ApiServer;
  let manager: ManagerServer;
  let objects: readonly KubernetesObject[] = [];
  let replicas: ControllerProcess[] = [];
  let ca = "";

  const send: ApiServer["send"] = (...request) => api.send(...request);

  const policy = (name: string, spec: object) =>
    send("POST", POLICIES, {
      apiVersion: "automation.cedana.ai/v1alpha1",
      kind: "CheckpointPolicy",
      metadata: { name },
      spec: { minSpacingSeconds: 0, ...spec },
    });
  const annotate = (path: string) =>
    send(
      "PATCH",
      path,
      { metadata: { annotations: { "cedana.ai/checkpoint-requested-at": new Date().toISOString() } } },
      MERGE,
    );
  const ready = async (name: string) => {
    const { items } = await send<Listed>("GET", `${CHECKPOINTS}?labelSelector=cedana.ai/policy=${name}`);
    return items.filter(({ status }) =>
      status?.conditions?.some(({ type, status: holds }) => type === "Ready" && holds === "True"),
    );
  };
  const podsOf = async (label: string) => (await send<Listed>("GET", `${PODS}?labelSelector=${label}`)).items;
  const isEnding = ({ metadata }: KubernetesObject) => "deletionTimestamp" in metadata;

  /** Creates a Deployment, and runs its pods as a kubelet reports. */
  async function deployment(name: string, count: number): Promise<string> {
    const labels = { set: name };
    const spec = { nodeName: NODE, containers: [{ name: "app", image: "app:1" }] };
    await send("POST", DEPLOYMENTS, {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name },
      spec: { replicas: count, selector: { matchLabels: labels }, template: { metadata: { labels }, spec } },
    });
    await eventually(
      40,
      "the Deployment has its pods",
      async () => (await podsOf(`set=${name}`)).length === count,
    );
    for (const { metadata } of await podsOf(`set=${name}`))
      await send("PATCH", `${PODS}/${metadata.name}/status`, { status: { phase: "Running" } }, MERGE);
    return `${DEPLOYMENTS}/${name}`;
  }

  /** Returns the process that holds the Lease. */
  const leader = () => leaderOf(api, { namespace: SYSTEM, lease: "actions-controller" }, () => replicas);

  /** Sends a signed request to a replica. */
  function fire(
    replica: ControllerProcess,
    name: string,
    id: string,
    key = KEY,
  ): Promise<{ status: number; text: string }> {
    const lines = readFileSync(replica.log, "utf8").split("\n").filter(Boolean);
    const ports = lines.map((line) => JSON.parse(line) as { server?: string; port?: number });
    const port = ports.find(({ server }) => server === "policy-webhook")?.port;
    const timestamp = Math.floor(Date.now() / 1000);
    const body = JSON.stringify({ type: "deploy.finished" });
    return new Promise((resolve, reject) => {
      const sent = request(
        {
          host: "127.0.0.1",
          port,
          path: `/checkpointpolicies/${TEAM}/${name}`,
          method: "POST",
          ca,
          servername: SERVICE,
          agent: false,
          headers: {
            "webhook-id": id,
            "webhook-timestamp": timestamp,
            "webhook-signature": sign(key, id, timestamp, body),
          },
        },
        (response) => {
          let text = "";
          response.on("data", (chunk) => (text += String(chunk)));
          response.on("end", () => resolve({ status: response.statusCode ?? 0, text }));
        },
      );
      sent.on("error", reject);
      sent.end(body);
    });
  }

  beforeAll(async () => {
    api = new ApiServer(config ?? "");
    manager = await ManagerServer.start();
    const charts = [chart("cedana"), chart("criu")] as const;
    const [all, withWebhook] = charts;
    // The engine cedana has no restore by the webhook, and so no certificate: those permissions are of the other install.
    const borrowed = /^actions-controller-(policies|policy-secrets|certificate|restore)/;
    objects = [
      ...all.filter(
        ({ kind, metadata: { name } }) =>
          ["Namespace", "CustomResourceDefinition"].includes(kind) ||
          (/^actions-(controller|checkpoint)/.test(name) &&
            !["Deployment", "PodDisruptionBudget"].includes(kind)),
      ),
      ...withWebhook.filter(({ kind, metadata: { name } }) => kind.includes("Role") && borrowed.test(name)),
    ];
    const node = { apiVersion: "v1", kind: "Node", metadata: { name: NODE } };
    for (const object of [namespace(TEAM), node, ...objects]) await apply(api, object);
    for (const path of [CHECKPOINTS, POLICIES])
      await eventually(30, `${path} is served`, async () => (await api.request("GET", path)).status === 200);
    const webhookSettings = settingsOf(withWebhook);
    const { restore, policies } = webhookSettings;
    if (!restore) throw new Error("the settings have no restore");
    const pair = await issue([...restore.dnsNames], Date.now(), "actions-ca");
    ({ ca } = pair);
    const data = Object.fromEntries(
      Object.entries({ "tls.crt": pair.cert, "tls.key": pair.key, "ca.crt": pair.ca }).map(([name, pem]) => [
        name,
        Buffer.from(pem).toString("base64"),
      ]),
    );
    await apply(api, secret(SYSTEM, restore.secret, data, "kubernetes.io/tls"));
    const key = Buffer.from(`whsec_${KEY.toString("base64")}`).toString("base64");
    await apply(api, secret(TEAM, "hooks", { morning: key, "on-deploy": key }));
    const settings: ControllerSettings = {
      ...settingsOf(all, manager.url),
      gate: false,
      policies: policies && {
        ...policies,
        webhook: policies.webhook ? { ...policies.webhook, port: 0 } : false,
      },
      restore: { ...restore, port: 0, certificates: "cert-manager" },
    };
    const account = { namespace: SYSTEM, account: "actions-controller", from: config ?? "", folder };
    const kubeconfigOfAccount = await kubeconfigOf(api, account);
    replicas = ["actions-a", "actions-b"].map(
      (replica) => new ControllerProcess({ kubeconfig: kubeconfigOfAccount, settings, replica, folder }),
    );
    await leader();
    await eventually(30, "both serve the webhook", async () => {
      const results = await Promise.all(
        replicas.map((one) => fire(one, "none", "probe").catch(() => undefined)),
      );
      return results.every((result) => result?.status === 401);
    });
  }, 180_000);

  afterAll(async () => {
    await Promise.all(replicas.map((one) => one.stop()));
    for (const path of [POLICIES, CHECKPOINTS, DEPLOYMENTS, BUDGETS]) await api.request("DELETE", path);
    await api.request("DELETE", `${PODS}?gracePeriodSeconds=0`);
    await api.request("DELETE", `/api/v1/nodes/${NODE}`);
    for (const object of objects.toReversed())
      if (!["Namespace", "CustomResourceDefinition"].includes(object.kind)) await api.delete(object);
    await manager.stop();
    api.close();
  });

  test("a signed request to any replica is executed once, and a wrong signature is not", async () => {
    await deployment("web", 2);
    await policy("on-deploy", {
      trigger: { webhook: { secret: { name: "hooks" } } },
      filter: { owners: [{ kind: "Deployment", names: ["web"] }] },
      action: { checkpoint: {} },
    });
    const leading = await leader();
    const [other] = replicas.filter((one) => one !== leading);
    if (!other) throw new Error("one replica only");
    await eventually(20, "the pods match", async () => {
      const { status } = await send<{ status?: { matchedPods?: number } }>("GET", `${POLICIES}/on-deploy`);
      return status?.matchedPods === 2;
    });
    expect((await fire(other, "on-deploy", "msg_0", randomBytes(32))).status).toBe(401);
    const results = await Promise.all([
      fire(other, "on-deploy", "msg_1"),
      fire(leading, "on-deploy", "msg_1"),
    ]);
    expect(results.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([200, 202]);
    await eventually(
      30,
      "both Checkpoints are completed",
      async () => (await ready("on-deploy")).length === 2,
    );
    expect((await fire(leading, "on-deploy", "msg_1")).status).toBe(200);
    expect((await fire(leading, "on-deploy", "msg_2")).status).toBe(429);
    const { status } = await send<{ status: { firings: { id: string }[] } }>("GET", `${POLICIES}/on-deploy`);
    expect(status.firings.map(({ id }) => id)).toEqual(["msg_1"]);
    expect((await send<Listed>("GET", CHECKPOINTS)).items).toHaveLength(2);
  });

  test("suspend scales a Deployment to zero after the Checkpoints, and resume by the webhook scales it back", async () => {
    const path = await deployment("api", 2);
    const filter = { owners: [{ kind: "Deployment", names: ["api"] }] };
    await policy("night", { trigger: { manual: {} }, filter, action: { suspend: {} } });
    await policy("morning", {
      trigger: { webhook: { secret: { name: "hooks" } } },
      filter,
      action: { resume: {} },
    });
    await eventually(20, "the pods match", async () => {
      const { status } = await send<{ status?: { matchedPods?: number } }>("GET", `${POLICIES}/night`);
      return status?.matchedPods === 2;
    });
    await annotate(path);
    await eventually(
      40,
      "it is suspended",
      async () => (await send<Deployment>("GET", path)).spec.replicas === 0,
    );
    expect(await ready("night")).toHaveLength(2);
    const { metadata } = await send<Deployment>("GET", path);
    expect(metadata).toMatchObject({
      labels: { "cedana.ai/suspended": "true" },
      annotations: { "cedana.ai/suspended-replicas": "2", "cedana.ai/suspended-by": "night" },
    });
    await eventually(30, "its pods end", async () => (await podsOf("set=api")).every(isEnding));
    await eventually(30, "the suspended Deployment matches", async () => {
      const { status } = await send<{ status?: { matchedPods?: number } }>("GET", `${POLICIES}/morning`);
      return status?.matchedPods === 1;
    });
    expect((await fire(await leader(), "morning", "msg_1")).status).toBe(202);
    await eventually(
      20,
      "it is resumed",
      async () => (await send<Deployment>("GET", path)).spec.replicas === 2,
    );
    expect(JSON.stringify((await send<Deployment>("GET", path)).metadata)).not.toContain(
      '"cedana.ai/suspended',
    );
  });

  test("checkpointThenDelete waits for a PodDisruptionBudget, also over the loss of the leader", async () => {
    const path = await deployment("db", 1);
    await send("POST", BUDGETS, {
      apiVersion: "policy/v1",
      kind: "PodDisruptionBudget",
      metadata: { name: "db" },
      spec: { maxUnavailable: 0, selector: { matchLabels: { set: "db" } } },
    });
    await policy("move", {
      trigger: { manual: {} },
      filter: { pods: { matchLabels: { set: "db" } } },
      action: { checkpointThenDelete: {} },
    });
    const [pod] = await podsOf("set=db");
    if (!pod) throw new Error("no pod");
    await annotate(path);
    await eventually(40, "the Checkpoint is completed", async () => (await ready("move")).length === 1);
    const killed = await leader();
    // Long enough for evictions that the budget refuses.
    await new Promise((resolve) => setTimeout(resolve, 6000));
    killed.kill("SIGKILL");
    await killed.ended;
    const current = await send("GET", `${PODS}/${pod.metadata.name}`);
    expect(isEnding(current)).toBe(false);
    await send("DELETE", `${BUDGETS}/db`);
    expect(await leader()).not.toBe(killed);
    await eventually(40, "the pod is evicted", async () => {
      const { status, body } = await api.request<KubernetesObject>("GET", `${PODS}/${pod.metadata.name}`);
      return status === 404 || isEnding(body);
    });
    expect(await ready("move")).toHaveLength(1);
  }, 180_000);

  test("the controller may change nothing else of a workload, and evicts no pod without its UID", async () => {
    const path = await deployment("guarded", 1);
    const patch = async (body: object) => {
      const { status, body: response } = await api.request<{ message?: string }>(
        "PATCH",
        `${path}?dryRun=All`,
        body,
        {
          ...MERGE,
          as: ACCOUNT,
        },
      );
      return `${status} ${response.message ?? ""}`;
    };
    const marked = (count: number) => ({ annotations: { "cedana.ai/suspended-replicas": `${count}` } });
    expect(await patch({ metadata: marked(1), spec: { replicas: 0 } })).toMatch(/^200 /);
    expect(await patch({ metadata: marked(7), spec: { replicas: 0 } })).toContain(
      "the controller scales a workload to 0",
    );
    expect(await patch({ spec: { replicas: 0 } })).toContain("the controller scales a workload to 0");
    expect(await patch({ metadata: marked(5), spec: { replicas: 5 } })).toContain(
      "the controller scales a workload to 0",
    );
    expect(await patch({ metadata: { labels: { team: "x" } } })).toContain(
      "changes no metadata of a workload but the label",
    );
    const image = { spec: { template: { metadata: { annotations: { a: "b" } } } } };
    expect(await patch(image)).toContain("changes no field of a workload but its replicas");
    const [pod] = await podsOf("set=guarded");
    const eviction = async (deleteOptions: object) => {
      const { status, body } = await api.request<{ message?: string }>(
        "POST",
        `${PODS}/${pod?.metadata.name}/eviction?dryRun=All`,
        { apiVersion: "policy/v1", kind: "Eviction", metadata: { name: pod?.metadata.name }, deleteOptions },
        { as: ACCOUNT },
      );
      return `${status} ${body.message ?? ""}`;
    };
    expect(await eviction({})).toContain("the controller evicts only the pod with a UID");
    const uid = (pod?.metadata as { uid?: string } | undefined)?.uid ?? "";
    expect(await eviction({ preconditions: { uid }, gracePeriodSeconds: 0 })).toContain(
      "does not shorten its grace period",
    );
    expect(await eviction({ preconditions: { uid } })).toMatch(/^201 /);
    const { status, body } = await api.request<{ message?: string }>(
      "GET",
      `/api/v1/namespaces/${TEAM}/secrets/other`,
      undefined,
      { as: ACCOUNT },
    );
    expect(`${status} ${body.message ?? ""}`).toContain("403 ");
  });
});
