/**
 * The install with a controller on a real API server: every object is accepted, its pods pass Pod Security, a second apply
 * changes nothing, and NodeReadinessRules are valid. Needs the same as apiserver.test.ts.
 */
import { ApiServer, eventually, type KubernetesObject } from "../../testbed/cluster/apiserver";
import { config, crdDirectory, namespace, apply } from "./support/apiserver-install";
import {
  installRuleCrd,
  installObjects,
  NAMESPACE,
  applyInstall,
  deleteInstall,
} from "./support/controller/install";

(config === undefined ? describe.skip : describe)("Install with a controller", () => {
  let api: ApiServer;
  const objects = installObjects();
  const find = (kind: string) =>
    objects.find((one) => one.kind === kind && one.metadata.name === "guard-controller") as KubernetesObject;

  beforeAll(async () => {
    api = new ApiServer(config ?? "");
    await applyInstall(api, objects);
  });

  afterAll(async () => {
    await deleteInstall(api, objects);
    api.close();
  });

  test("the controller becomes available in a restricted namespace", async () => {
    const path = await api.pathOf(find("Deployment"));
    await eventually(60, "two controllers are available", async () => {
      const { body } = await api.request<{ status: { availableReplicas?: number } }>("GET", path);
      return body.status.availableReplicas === 2;
    });
    const { body } = await api.request<{ metadata: { labels: object } }>(
      "GET",
      `/api/v1/namespaces/${NAMESPACE}`,
    );
    expect(body.metadata.labels).toMatchObject({ "pod-security.kubernetes.io/enforce": "restricted" });
  });

  test("the disruption budget counts the controller's pods", async () => {
    const path = await api.pathOf(find("PodDisruptionBudget"));
    let status = {};
    await eventually(20, "the budget has its pods", async () => {
      ({ status } = (await api.request<{ status: { expectedPods?: number } }>("GET", path)).body);
      return (status as { expectedPods?: number }).expectedPods === 2;
    });
    expect(status).toMatchObject({ expectedPods: 2, disruptionsAllowed: 1 });
  });

  test("a drain evicts both replicas when neither is Ready", async () => {
    const pods = `/api/v1/namespaces/${NAMESPACE}/pods`;
    const { spec } = find("PodDisruptionBudget") as unknown as {
      spec: { selector: { matchLabels: Record<string, string> } };
    };
    const labels = Object.entries(spec.selector.matchLabels).map(([key, value]) => `${key}=${value}`);
    const query = `?labelSelector=${encodeURIComponent(labels.join(","))}`;
    const { body } = await api.request<{ items: KubernetesObject[] }>("GET", `${pods}${query}`);
    const names = body.items.map(({ metadata }) => metadata.name);
    expect(names).toHaveLength(2);
    for (const name of names) {
      const unready = { metadata: { annotations: { "testbed/ready": "false" } } };
      const options = { contentType: "application/merge-patch+json" };
      expect((await api.request("PATCH", `${pods}/${name}`, unready, options)).status).toBe(200);
    }
    const budget = await api.pathOf(find("PodDisruptionBudget"));
    await eventually(20, "the budget allows no disruption", async () => {
      const { body: seen } = await api.request<{
        status: { currentHealthy: number; disruptionsAllowed: number };
      }>("GET", budget);
      return seen.status.currentHealthy === 0 && seen.status.disruptionsAllowed === 0;
    });
    const setPolicy = (unhealthyPodEvictionPolicy: string) =>
      api.request(
        "PATCH",
        budget,
        { spec: { unhealthyPodEvictionPolicy } },
        { contentType: "application/merge-patch+json" },
      );
    const evict = async (more = {}) => {
      const statuses = [];
      for (const name of names) {
        const eviction = { apiVersion: "policy/v1", kind: "Eviction", metadata: { name }, ...more };
        statuses.push((await api.request("POST", `${pods}/${name}/eviction`, eviction)).status);
      }
      return statuses;
    };
    // Kubernetes' default would block the drain.
    await setPolicy("IfHealthyBudget");
    expect(await evict({ deleteOptions: { dryRun: ["All"] } })).toEqual([429, 429]);
    await apply(api, find("PodDisruptionBudget"));
    expect(await evict()).toEqual([201, 201]);
  });

  test("a second apply changes nothing", async () => {
    for (const object of objects) {
      const { metadata } = (await api.request<KubernetesObject>("GET", await api.pathOf(object))).body;
      const after = await apply(api, object);
      expect([object.kind, object.metadata.name, revision(after.metadata)]).toEqual([
        object.kind,
        object.metadata.name,
        revision(metadata),
      ]);
    }
  });

  /** Returns a value that changes with the spec, not with the status. */
  const revision = (metadata: KubernetesObject["metadata"]) =>
    (metadata as { generation?: number }).generation ?? metadata.resourceVersion;

  (crdDirectory ? describe : describe.skip)("NodeReadinessRule", () => {
    const rule = (more: object) =>
      installObjects({ readinessGate: { owner: "nodeReadinessRule", ...more } }).find(
        ({ kind }) => kind === "NodeReadinessRule",
      ) as KubernetesObject;

    beforeAll(async () => {
      await apply(api, namespace("monitoring"));
      await installRuleCrd(api);
    });

    test.each<[string, object]>([
      ["that removes the taint once", {}],
      ["that also adds the taint again", { retaint: {} }],
      ["in dry run", { dryRun: true }],
      ["with a custom taint", { taint: { key: "readiness.k8s.io/a.b_c", value: "", effect: "NoExecute" } }],
    ])("accepts a rule %s", async (_, more) => {
      expect(await api.tryCreate(rule(more))).toMatchObject({ status: 201 });
    });

    test("rejects the taint that our validation rejects", async () => {
      const { spec, ...rest } = rule({}) as KubernetesObject & { spec: object };
      const taint = { key: "cedana.ai/not-ready", effect: "NoSchedule" };
      expect(await api.tryCreate({ ...rest, spec: { ...spec, taint } })).toMatchObject({ status: 422 });
    });
  });
});
