/**
 * The install with a controller on a real API server: every object is accepted, its pods pass Pod Security, a second apply
 * changes nothing, and the rule of the other owner is one. Needs what apiserver.test.ts needs.
 */
import { ApiServer, eventually, type KubernetesObject } from "./support/apiserver";
import { config, definitions, namespace, put } from "./support/apiserver-install";
import { defineRules, guard, NAMESPACE, putGuard, removeGuard } from "./support/controller-install";

(config === undefined ? describe.skip : describe)("Install with a controller", () => {
  let api: ApiServer;
  const objects = guard();
  const find = (kind: string) =>
    objects.find((one) => one.kind === kind && one.metadata.name === "guard-controller") as KubernetesObject;

  beforeAll(async () => {
    api = new ApiServer(config ?? "");
    await putGuard(api, objects);
  });

  afterAll(async () => {
    await removeGuard(api, objects);
    api.close();
  });

  test("its controllers are admitted into a restricted namespace and become available", async () => {
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

  test("the disruption budget counts its pods", async () => {
    const path = await api.pathOf(find("PodDisruptionBudget"));
    let status = {};
    await eventually(20, "the budget knows its pods", async () => {
      ({ status } = (await api.request<{ status: { expectedPods?: number } }>("GET", path)).body);
      return (status as { expectedPods?: number }).expectedPods === 2;
    });
    expect(status).toMatchObject({ expectedPods: 2, disruptionsAllowed: 1 });
  });

  test("a second apply changes nothing", async () => {
    for (const object of objects) {
      const { metadata } = (await api.request<KubernetesObject>("GET", await api.pathOf(object))).body;
      const after = await put(api, object);
      expect([object.kind, object.metadata.name, revision(after.metadata)]).toEqual([
        object.kind,
        object.metadata.name,
        revision(metadata),
      ]);
    }
  });

  /** Changes with what is wanted, not with what is reported. */
  const revision = (metadata: KubernetesObject["metadata"]) =>
    (metadata as { generation?: number }).generation ?? metadata.resourceVersion;

  (definitions ? describe : describe.skip)("NodeReadinessRule", () => {
    const rule = (more: object) =>
      guard({ readinessGate: { owner: "nodeReadinessRule", ...more } }).find(
        ({ kind }) => kind === "NodeReadinessRule",
      ) as KubernetesObject;

    beforeAll(async () => {
      await put(api, namespace("monitoring"));
      await defineRules(api);
    });

    test.each<[string, object]>([
      ["once", {}],
      ["for as long as a node lives", { retaint: {} }],
      ["as a preview", { dryRun: true }],
      [
        "with a taint of the user's",
        { taint: { key: "readiness.k8s.io/a.b_c", value: "", effect: "NoExecute" } },
      ],
    ])("its kind takes it: %s", async (_, more) => {
      expect(await api.tryCreate(rule(more))).toMatchObject({ status: 201 });
    });

    test("its kind refuses the taint that we refuse", async () => {
      const { spec, ...rest } = rule({}) as KubernetesObject & { spec: object };
      const taint = { key: "cedana.ai/not-ready", effect: "NoSchedule" };
      expect(await api.tryCreate({ ...rest, spec: { ...spec, taint } })).toMatchObject({ status: 422 });
    });
  });
});
