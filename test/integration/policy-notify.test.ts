/**
 * The action `notify` on a real API server: two controllers as processes, with the permissions and admission policies of the
 * install, simulated pods, a test double of the REST API of Cedana's manager that takes the checkpoints, and an HTTPS receiver
 * that verifies signatures by its own code. Needs CEDANA_INTEGRATION_KUBECONFIG, openssl, an address of this machine other than
 * loopback, and `npm run build`.
 */
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync } from "node:fs";
import { networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import { Testing } from "cdk8s";
import type { PolicyStatus } from "../../api";
import { CedanaChart } from "../../stacks/kubernetes";
import { ApiServer, eventually, kubeconfig, type KubernetesObject } from "../../testbed/cluster/apiserver";
import { ControllerProcess } from "../../testbed/cluster/process";
import { ManagerServer, respondWith } from "../support/manager-server";
import { WebhookReceiver, type Received } from "../support/webhook-receiver";
import { kubeconfigOf, leaderOf } from "./support/account";
import { apply, namespace } from "./support/apiserver-install";
import { secret, settingsOf } from "./support/policy-actions-install";

const config = kubeconfig();
const SYSTEM = "notify-system";
const TEAM = "notify-team";
const NODE = "notify-node";
const ACCOUNT = `system:serviceaccount:${SYSTEM}:notify-controller`;
const POLICIES = `/apis/automation.cedana.ai/v1alpha1/namespaces/${TEAM}/checkpointpolicies`;
const CHECKPOINTS = `/apis/automation.cedana.ai/v1alpha1/namespaces/${TEAM}/checkpoints`;
const PODS = `/api/v1/namespaces/${TEAM}/pods`;
const EVENTS = `/apis/events.k8s.io/v1/namespaces/${TEAM}/events`;
const MERGE = { contentType: "application/merge-patch+json" };
const KEY = `whsec_${randomBytes(32).toString("base64")}`;

/** Returns an address of this machine that the controller may connect to. */
function ownAddress(): string {
  const all = Object.values(networkInterfaces()).flatMap((one) => one ?? []);
  const found = all.find(({ internal, family }) => !internal && family === "IPv4");
  if (!found) throw new Error("this machine has no IPv4 address but loopback");
  return found.address;
}

/** Returns a key and a self-signed certificate for an address. */
function certificateOf(address: string, folder: string): { readonly key: string; readonly cert: string } {
  const [key, cert] = [join(folder, "receiver.key"), join(folder, "receiver.crt")];
  const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  const name = ["-subj", "/CN=receiver", "-addext", `subjectAltName=IP:${address}`];
  const files = ["-keyout", key, "-out", cert];
  execFileSync("openssl", ["req", "-x509", ...curve, "-days", "30", ...name, ...files], { stdio: "pipe" });
  return { key: readFileSync(key, "utf8"), cert: readFileSync(cert, "utf8") };
}

(config === undefined ? describe.skip : describe)("the action notify on a real API server", () => {
  const folder = mkdtempSync(join(tmpdir(), "cedana-notify-"));
  let api: ApiServer;
  let manager: ManagerServer;
  let receiver: WebhookReceiver;
  let objects: readonly KubernetesObject[] = [];
  let replicas: ControllerProcess[] = [];

  const send: ApiServer["send"] = (...request) => api.send(...request);
  const policy = (name: string, spec: object) =>
    send("POST", POLICIES, {
      apiVersion: "automation.cedana.ai/v1alpha1",
      kind: "CheckpointPolicy",
      metadata: { name },
      spec: { minSpacingSeconds: 0, ...spec },
    });
  const statusOf = async (name: string) =>
    (await send<{ status?: PolicyStatus }>("GET", `${POLICIES}/${name}`)).status ?? {};
  const matches = (name: string) =>
    eventually(30, `${name} matches`, async () => (await statusOf(name)).matchedPods === 1);
  const ofPod = (set: string) => ({ filter: { pods: { matchLabels: { set } } } });
  const leader = () => leaderOf(api, { namespace: SYSTEM, lease: "notify-controller" }, () => replicas);
  const received = (name: string): readonly Received[] =>
    receiver.received.filter(({ body }) => body.includes(`"name":"${name}"`));

  /** Creates a running pod. @returns its UID */
  async function pod(name: string): Promise<string> {
    const { metadata } = await send("POST", PODS, {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name, labels: { set: name } },
      spec: {
        nodeName: NODE,
        containers: [{ name: "app", image: "app:1", resources: { limits: { memory: "1Gi" } } }],
      },
    });
    await send("PATCH", `${PODS}/${name}/status`, { status: { phase: "Running" } }, MERGE);
    return (metadata as { uid?: string }).uid ?? "";
  }
  const request = (name: string) =>
    send(
      "PATCH",
      `${PODS}/${name}`,
      { metadata: { annotations: { "cedana.ai/checkpoint-requested-at": new Date().toISOString() } } },
      MERGE,
    );

  beforeAll(async () => {
    api = new ApiServer(config ?? "");
    manager = await ManagerServer.start();
    const host = ownAddress();
    const pair = certificateOf(host, folder);
    receiver = await WebhookReceiver.start({ secret: KEY, host, ...pair });
    const other = certificateOf(host, mkdtempSync(join(tmpdir(), "cedana-notify-")));
    const url = `https://${host}:${receiver.port}/hook`;
    const key = { name: "notify-keys", key: "ops" };
    objects = (
      new CedanaChart(Testing.app(), "notify", {
        engine: {
          kind: "cedana",
          clusterId: "0b8f5b0e-6d0c-4b52-9f3e-3f3c8e1f7a10",
          url: "https://example.com",
        },
        install: {
          name: "notify",
          namespace: SYSTEM,
          controller: { image: { repository: "registry.example.com/controller", tag: "0.1.0" } },
          checkpoints: { namespaces: [TEAM] },
          policies: {
            actions: ["checkpoint", "notify"],
            notify: {
              destinations: [
                { name: "ops", url, secret: key, caBundle: pair.cert },
                { name: "untrusted", url, secret: key, caBundle: other.cert },
              ],
            },
          },
        },
      }).toJson() as KubernetesObject[]
    ).filter(
      ({ kind, metadata: { name } }) =>
        ["Namespace", "CustomResourceDefinition"].includes(kind) ||
        (/^notify-(controller|checkpoint)/.test(name) &&
          !["Deployment", "PodDisruptionBudget"].includes(kind)),
    );
    const node = { apiVersion: "v1", kind: "Node", metadata: { name: NODE } };
    for (const object of [namespace(TEAM), node, ...objects]) await apply(api, object);
    const keys = { ops: Buffer.from(KEY).toString("base64") };
    for (const name of ["notify-keys", "other"]) await apply(api, secret(SYSTEM, name, keys));
    await eventually(
      30,
      "policies are served",
      async () => (await api.request("GET", POLICIES)).status === 200,
    );
    const { policies, ...others } = settingsOf(objects, manager.url);
    if (!policies) throw new Error("the settings have no policies");
    // The test writes what agents report.
    const memory = { ...policies.memory, readings: "agent" as const };
    const settings = { ...others, gate: false as const, policies: { ...policies, memory } };
    const account = { namespace: SYSTEM, account: "notify-controller", from: config ?? "", folder };
    const file = await kubeconfigOf(api, account);
    replicas = ["notify-a", "notify-b"].map(
      (replica) => new ControllerProcess({ kubeconfig: file, settings, replica, folder }),
    );
    await leader();
  }, 180_000);

  afterAll(async () => {
    await Promise.all(replicas.map((one) => one.stop()));
    for (const path of [POLICIES, CHECKPOINTS]) await api.request("DELETE", path);
    await api.request("DELETE", `${PODS}?gracePeriodSeconds=0`);
    await api.request("DELETE", `/api/v1/nodes/${NODE}`);
    for (const object of objects.toReversed())
      if (!["Namespace", "CustomResourceDefinition"].includes(object.kind)) await api.delete(object);
    receiver.stop();
    await manager.stop();
    api.close();
  });

  test("a request by annotation is reported by an event of the pod, and by a signed request that the receiver verifies", async () => {
    await policy("asked", {
      trigger: { manual: {} },
      ...ofPod("web"),
      action: { notify: { destination: "ops" } },
    });
    const uid = await pod("web");
    await matches("asked");
    await request("web");
    await eventually(20, "the receiver has it", () => Promise.resolve(received("asked").length === 1));
    const [{ isValid, path, body, id } = { isValid: false, path: "", body: "{}", id: "" }] =
      received("asked");
    expect([isValid, path]).toEqual([true, "/hook"]);
    expect(id).toMatch(/^msg_[0-9a-f]{32}$/);
    const { metadata } = await send("GET", "/api/v1/namespaces/kube-system");
    expect(JSON.parse(body)).toMatchObject({
      type: "cedana.policy.due",
      data: {
        clusterId: (metadata as { uid?: string }).uid,
        policy: { kind: "CheckpointPolicy", namespace: TEAM, name: "asked" },
        pod: { namespace: TEAM, name: "web", uid, nodeName: NODE },
        trigger: "manual",
        reason: "Requested",
      },
    });
    const event = async () => {
      const { items } = await send<{
        items: { reason: string; note: string; regarding: { uid: string } }[];
      }>("GET", EVENTS);
      return items.find(({ reason, regarding }) => reason === "PolicyNotification" && regarding.uid === uid);
    };
    await eventually(20, "the pod has the event", async () => (await event()) !== undefined);
    expect((await event())?.note).toBe("policy asked: an annotation requested it");
    expect((await send<{ items: object[] }>("GET", CHECKPOINTS)).items).toEqual([]);
  });

  test("when a pod reaches 80 % of its memory limit, an event of the type Warning is recorded and a request is sent", async () => {
    await policy("full", {
      trigger: { memory: { percent: 80 } },
      ...ofPod("worker-0"),
      action: { notify: { destination: "ops" } },
    });
    await pod("worker-0");
    await matches("full");
    interface Watches {
      readonly items: readonly (KubernetesObject & {
        readonly spec: { readonly watches: readonly { readonly id: string }[] };
      })[];
    }
    const path = `/apis/automation.cedana.ai/v1alpha1/namespaces/${SYSTEM}/nodememorywatches`;
    const watch = async () => {
      const { items } = await send<Watches>("GET", path);
      const [found] = items.filter(({ spec }) => spec.watches.length > 0);
      return found && { name: found.metadata.name, id: found.spec.watches[0]?.id };
    };
    await eventually(30, "the pod is watched", async () => (await watch()) !== undefined);
    const { name = "", id } = (await watch()) ?? {};
    const crossings = [{ id, time: new Date().toISOString(), rearmed: false }];
    await send("PATCH", `${path}/${name}/status`, { status: { observedGeneration: 1, crossings } }, MERGE);
    await eventually(20, "the receiver has it", () => Promise.resolve(received("full").length === 1));
    const [{ isValid, body } = { isValid: false, body: "{}" }] = received("full");
    expect(isValid).toBe(true);
    expect(JSON.parse(body)).toMatchObject({
      data: { trigger: "memory", message: "its memory reached 80 % of a limit", pod: { name: "worker-0" } },
    });
    await eventually(20, "the pod has the event", async () => {
      const { items } = await send<{ items: { type: string; note: string }[] }>("GET", EVENTS);
      return items.some(
        ({ type, note }) => type === "Warning" && note === "policy full: its memory reached 80 % of a limit",
      );
    });
  });

  test("the failed Checkpoint of another policy is reported, and a completed one is not", async () => {
    await policy("nightly", { trigger: { manual: {} }, ...ofPod("db"), action: { checkpoint: {} } });
    await policy("failures", {
      trigger: { checkpointEnded: { policies: ["nightly"], outcomes: ["Failed"] } },
      ...ofPod("db"),
      action: { notify: { destination: "ops" } },
    });
    await pod("db");
    await matches("nightly");
    await matches("failures");
    await request("db");
    const outcomes = async () => {
      const { items } = await send<{ items: { status?: { conditions?: { reason: string }[] } }[] }>(
        "GET",
        CHECKPOINTS,
      );
      return items.flatMap(({ status }) => status?.conditions?.[0]?.reason ?? []);
    };
    await eventually(40, "one is completed", async () => (await outcomes()).includes("CheckpointCompleted"));
    manager.next.push(respondWith(500, '{"message":"criu failed: type DUMP errno 22"}'));
    await request("db");
    await eventually(40, "the failure is reported", () => Promise.resolve(received("failures").length === 1));
    const [{ isValid, body } = { isValid: false, body: "{}" }] = received("failures");
    expect(isValid).toBe(true);
    expect(JSON.parse(body)).toMatchObject({
      type: "cedana.checkpoint.failed",
      data: {
        message: expect.stringContaining("criu failed: type DUMP errno 22"),
        checkpoint: { outcome: "Failed" },
      },
    });
  });

  test("the next leader delivers what its predecessor could not deliver, with the same id", async () => {
    receiver.respond = (_, response) => void response.writeHead(503).end("try later");
    await policy("late", {
      trigger: { manual: {} },
      ...ofPod("api"),
      action: { notify: { destination: "ops" } },
    });
    await pod("api");
    await matches("late");
    await request("api");
    await eventually(30, "two attempts failed", () => Promise.resolve(received("late").length >= 2));
    await eventually(40, "the status names the cause", async () => {
      const { conditions = [], waiting } = await statusOf("late");
      return (
        waiting === 1 &&
        /notifications that wait after a failed attempt: 1; destination ops: HTTP 503/.test(
          conditions[0]?.message ?? "",
        )
      );
    });
    const killed = await leader();
    killed.kill("SIGKILL");
    await killed.ended;
    receiver.respond = (_, response) => void response.writeHead(204).end();
    const before = received("late").length;
    expect(await leader()).not.toBe(killed);
    await eventually(60, "it is delivered", () => Promise.resolve(received("late").length > before));
    expect(new Set(received("late").map(({ id, body }) => `${id} ${body}`)).size).toBe(1);
    expect(received("late").every(({ isValid }) => isValid)).toBe(true);
    const settled = received("late").length;
    await new Promise((resolve) => setTimeout(resolve, 5000));
    expect(received("late")).toHaveLength(settled);
  }, 180_000);

  test("a receiver whose certificate has another authority gets no request, and the policy reports the failure", async () => {
    await policy("careful", {
      trigger: { manual: {} },
      ...ofPod("cache"),
      deadlineSeconds: 10,
      action: { notify: { destination: "untrusted" } },
    });
    await pod("cache");
    await matches("careful");
    await request("cache");
    await eventually(60, "the failure is recorded", async () => {
      const { lastFailures = [] } = await statusOf("careful");
      return lastFailures.length > 0;
    });
    const [failure] = (await statusOf("careful")).lastFailures ?? [];
    expect(failure).toMatchObject({ pod: "cache", reason: "NotificationNotDelivered" });
    expect(failure?.message).toMatch(/destination untrusted: no response: [A-Z_]+$/);
    expect(received("careful")).toEqual([]);
  }, 120_000);

  test("a condition of the policy reports an unknown destination", async () => {
    await policy("unknown", { trigger: { manual: {} }, action: { notify: { destination: "pager" } } });
    const failed = async () =>
      ((await statusOf("unknown")).conditions ?? []).find(
        ({ type, status }) => type === "Failed" && status === "True",
      );
    await eventually(40, "the condition is set", async () => (await failed()) !== undefined);
    expect(await failed()).toMatchObject({
      reason: "InvalidAction",
      message:
        "action.notify.destination pager is not one of install.policies.notify.destinations: ops, untrusted",
    });
  });

  test("the controller can read only the listed Secret of its namespace, and no output contains the key", async () => {
    const read = async (home: string, name: string) =>
      (await api.request("GET", `/api/v1/namespaces/${home}/secrets/${name}`, undefined, { as: ACCOUNT }))
        .status;
    expect([
      await read(SYSTEM, "notify-keys"),
      await read(SYSTEM, "other"),
      await read(TEAM, "notify-keys"),
    ]).toEqual([200, 403, 403]);
    const [, encoded = ""] = KEY.split("_");
    const { items } = await send<{ items: object[] }>("GET", EVENTS);
    const policies = await send<{ items: object[] }>("GET", POLICIES);
    const logs = replicas.map(({ log }) => readFileSync(log, "utf8")).join("");
    expect(logs).toContain("notification delivered");
    expect(`${logs}${JSON.stringify([items, policies])}`).not.toContain(encoded);
  });
});
