/**
 * Reconciles Checkpoint and Cedana objects on a real API server, with the controllers in this process and a test double of
 * the REST API of Cedana's manager. Needs CEDANA_INTEGRATION_KUBECONFIG.
 */
import { readFileSync } from "node:fs";
import { Chart, Testing } from "cdk8s";
import { parse } from "yaml";
import { CEDANA, CHECKPOINT } from "../../api";
import { KubernetesApi } from "../../kube/client";
import { Crd } from "../../constructs/kubernetes/crds";
import { checkpointControllers } from "../../controller/checkpoints";
import { createEngines } from "../../controller/engines";
import type { EventInput } from "../../kube";
import { lead, runtimeOn } from "../support/controller-runtime";
import { respondWith, CHECKPOINT_ID, cut, ManagerServer } from "../support/manager-server";
import { ApiServer, eventually, kubeconfig, type KubernetesObject } from "../../testbed/cluster/apiserver";

const config = kubeconfig();
const NAMESPACE = "checkpoints-test";
const CHECKPOINTS = `/apis/automation.cedana.ai/v1alpha1/namespaces/${NAMESPACE}/checkpoints`;
const CEDANAS = `/apis/core.cedana.ai/v1/namespaces/${NAMESPACE}/cedanas`;
const PODS = `/api/v1/namespaces/${NAMESPACE}/pods`;

type Live = KubernetesObject & {
  readonly spec: Record<string, unknown>;
  readonly status?: Record<string, unknown> & { readonly conditions?: readonly Record<string, string>[] };
};

/** Checks that a request succeeded. @throws Error with the response */
function assertSuccess({ status, body }: { readonly status: number; readonly body: unknown }): void {
  if (status >= 300) throw new Error(`${status}: ${JSON.stringify(body)}`);
}

/** Returns the controller's client with the client certificate of a kubeconfig. */
function clientOf(file: string): KubernetesApi {
  const { clusters, users } = parse(readFileSync(file, "utf8")) as {
    clusters: [{ cluster: Record<string, string> }];
    users: [{ user: Record<string, string> }];
  };
  const decoded = (text = "") => Buffer.from(text, "base64");
  const [{ cluster }] = clusters;
  const [{ user }] = users;
  const certificates = {
    ca: decoded(cluster["certificate-authority-data"]),
    cert: decoded(user["client-certificate-data"]),
    key: decoded(user["client-key-data"]),
  };
  return new KubernetesApi(cluster["server"] ?? "", (request) => {
    Object.assign(request, certificates);
    return Promise.resolve();
  });
}

(config === undefined ? describe.skip : describe)("Checkpoints on a real API server", () => {
  let api: ApiServer;
  let manager: ManagerServer;
  const events: EventInput[] = [];
  const stop = new AbortController();
  let led: Promise<void> | undefined;

  const get = async (path: string) => (await api.request<Live>("GET", path)).body;
  const create = async (path: string, body: object) => {
    assertSuccess(await api.request("POST", path, body));
  };
  const checkpoint = (name: string, spec: object = {}) =>
    create(CHECKPOINTS, {
      apiVersion: "automation.cedana.ai/v1alpha1",
      kind: "Checkpoint",
      metadata: { name },
      spec: { podRef: { name: "counter-0" }, ...spec },
    });
  const condition = ({ status }: Live, type = "Ready") =>
    status?.conditions?.find((one) => one["type"] === type);
  const until = async (path: string, holds: (object: Live) => boolean): Promise<Live> => {
    let object = await get(path);
    await eventually(20, `${path}: ${JSON.stringify(object.status)}`, async () =>
      holds((object = await get(path))),
    );
    return object;
  };

  beforeAll(async () => {
    api = new ApiServer(config ?? "");
    manager = await ManagerServer.start();
    const chart = new Chart(Testing.app(), "crds");
    for (const kind of [CEDANA, CHECKPOINT]) new Crd(chart, kind.crdName, { kind });
    const namespace = { apiVersion: "v1", kind: "Namespace", metadata: { name: NAMESPACE } };
    for (const object of [namespace, ...(Testing.synth(chart) as KubernetesObject[])])
      assertSuccess(await api.apply(object));
    for (const path of [CHECKPOINTS, CEDANAS])
      await eventually(30, `${path} is served`, () =>
        api.request("GET", path).then(
          ({ status }) => status === 200,
          () => false,
        ),
      );
    await api.request("POST", `/api/v1/namespaces/${NAMESPACE}/serviceaccounts`, {
      apiVersion: "v1",
      kind: "ServiceAccount",
      metadata: { name: "default" },
    });
    await create(PODS, {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "counter-0", labels: { "controller-revision-hash": "7d" } },
      spec: {
        nodeName: "nowhere",
        containers: ["a", "b"].map((name) => ({ name, image: "busybox:1.37" })),
      },
    });
    const running = await api.request(
      "PATCH",
      `${PODS}/counter-0/status`,
      { status: { phase: "Running" } },
      {
        contentType: "application/merge-patch+json",
      },
    );
    assertSuccess(running);

    const settings = {
      namespaces: [NAMESPACE],
      maxPerNode: 2,
      waitSeconds: 3600,
      locations: ["/mnt/checkpoints"],
      engine: "cedana" as const,
      manager: { url: manager.url, root: "/run/containerd/runc/k8s.io", timeoutSeconds: 5 },
    };
    const runtime = runtimeOn(clientOf(config ?? ""), { events });
    const controllers = checkpointControllers({
      ...runtime,
      settings,
      engines: createEngines(settings, runtime),
    });
    led = lead(runtime, controllers, stop.signal);
  });

  afterAll(async () => {
    stop.abort();
    await led;
    await manager.stop();
    await api.request("DELETE", `${PODS}/counter-0?gracePeriodSeconds=0`);
    for (const path of [CEDANAS, CHECKPOINTS]) await api.request("DELETE", path);
    await api.request("DELETE", `/api/v1/namespaces/${NAMESPACE}`);
    api.close();
  });

  test("completes a Checkpoint of two containers", async () => {
    await checkpoint("one");
    const ended = await until(`${CHECKPOINTS}/one`, (object) => condition(object)?.["status"] === "True");
    expect(ended.status).toMatchObject({
      // Each write of the record raises the generation.
      observedGeneration: (ended.metadata as { readonly generation?: number }).generation,
      engine: "cedana",
      nodeName: "nowhere",
      podTemplateHash: "7d",
      containers: [
        { name: "a", image: "busybox:1.37", checkpointID: CHECKPOINT_ID },
        { name: "b", checkpointID: CHECKPOINT_ID },
      ],
    });
    expect(manager.requests.map(({ path }) => path)).toEqual(["/checkpoint", "/checkpoint"]);
    expect((ended.metadata as unknown as { managedFields: object[] }).managedFields).toContainEqual(
      expect.objectContaining({ manager: "cedana-controller", operation: "Apply", subresource: "status" }),
    );
  });

  test("reports the manager's error in the condition; does not retry after a lost response", async () => {
    manager.next.push(respondWith(500, '{"message":"criu failed: errno 0"}'));
    await checkpoint("two", { containers: ["a"] });
    const failed = await until(
      `${CHECKPOINTS}/two`,
      (object) => condition(object, "Failed")?.["status"] === "True",
    );
    expect(condition(failed)).toMatchObject({
      reason: "CheckpointFailed",
      message: "container a: criu failed: errno 0",
    });
    const before = manager.requests.length;
    manager.next.push(cut);
    await checkpoint("three", { containers: ["a"] });
    const lost = await until(
      `${CHECKPOINTS}/three`,
      (object) => condition(object, "Failed")?.["status"] === "True",
    );
    expect(condition(lost)?.["reason"]).toBe("OutcomeUnknown");
    expect(manager.requests).toHaveLength(before + 1);
  });

  test("a Cedana object takes a checkpoint, then restores", async () => {
    const cedana = { apiVersion: "core.cedana.ai/v1", kind: "Cedana", metadata: { name: "one" } };
    await create(CEDANAS, {
      ...cedana,
      spec: { containerName: "a", sandboxName: "counter-0", method: "Checkpoint" },
    });
    const ended = await until(`${CEDANAS}/one`, ({ spec }) => spec["method"] === "Done");
    expect(ended.status).toMatchObject({ checkpointDone: true });
    const method = await api.request(
      "PATCH",
      `${CEDANAS}/one`,
      { spec: { method: "Restore" } },
      {
        contentType: "application/merge-patch+json",
      },
    );
    expect(method.status).toBe(200);
    const restored = await until(
      `${CEDANAS}/one`,
      (object) => object.status?.["restoreDone"] === true && object.spec["method"] === "Done",
    );
    expect(condition(restored)).toMatchObject({ reason: "RestoreCompleted" });
    expect(manager.requests.at(-1)).toMatchObject({
      path: "/restore",
      body: {
        checkpoint_data: { sandbox_name: "counter-0", container_name: "a", checkpoint_id: CHECKPOINT_ID },
      },
    });
    expect(events.map(({ reason }) => reason)).toContain("RestoreCompleted");
  });

  test("fails a Checkpoint of a deleted pod", async () => {
    await checkpoint("four", { podRef: { name: "deleted" } });
    const failed = await until(
      `${CHECKPOINTS}/four`,
      (object) => condition(object, "Failed")?.["status"] === "True",
    );
    expect(condition(failed)?.["reason"]).toBe("SourcePodNotFound");
  });
});
