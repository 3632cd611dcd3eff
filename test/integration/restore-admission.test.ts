/**
 * The permission to restore, on a real API server. Needs the same as apiserver.test.ts.
 */
import { eventually, kubeconfig, type KubernetesObject } from "../../testbed/cluster/apiserver";
import {
  JSON_PATCH,
  UNSCHEDULABLE,
  pod,
  PODS,
  RestoreInstall,
  TEAM,
  template,
  type Pod,
} from "./support/restore-install";

const config = kubeconfig();

(config === undefined ? describe.skip : describe)("The permission to restore", () => {
  const install = new RestoreInstall(config ?? "");
  const send: RestoreInstall["send"] = (...given) => install.send(...given);

  beforeAll(() => install.start(), 120_000);
  afterAll(() => install.stop(), 60_000);

  test("the policies pass the API server's type check", async () => {
    for (const { kind, metadata } of install.objects.filter(
      (one) => one.kind === "ValidatingAdmissionPolicy",
    )) {
      expect(kind).toBe("ValidatingAdmissionPolicy");
      const path = `/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies/${metadata.name}`;
      await eventually(20, `${metadata.name} is type-checked`, async () => {
        const { status } = await send<{ status?: { observedGeneration?: number } } & KubernetesObject>(
          "GET",
          path,
        );
        return status?.observedGeneration !== undefined;
      });
      const { status } = await send<{ status: { typeChecking?: { expressionWarnings?: object[] } } }>(
        "GET",
        path,
      );
      expect(status.typeChecking?.expressionWarnings ?? []).toEqual([]);
    }
  });

  const grant = async (user: string, extra: object[]) => {
    const rules = [
      { apiGroups: [""], resources: ["pods", "replicationcontrollers"], verbs: ["create", "patch", "get"] },
      { apiGroups: ["apps", "batch"], resources: ["*"], verbs: ["create", "patch", "get"] },
      ...extra,
    ];
    const object = { metadata: { name: user, namespace: TEAM } };
    const group = "rbac.authorization.k8s.io";
    await install.api.apply({ apiVersion: `${group}/v1`, kind: "Role", ...object, rules });
    await install.api.apply({
      apiVersion: `${group}/v1`,
      kind: "RoleBinding",
      ...object,
      roleRef: { apiGroup: group, kind: "Role", name: user },
      subjects: [{ apiGroup: group, kind: "User", name: user }],
    });
  };
  const restorePermission = {
    apiGroups: ["automation.cedana.ai"],
    resources: ["checkpoints"],
    verbs: ["restore"],
  };
  const restoreLatest = { "cedana.ai/restore-from": "latest" };
  const labels = { app: "guard" };
  const workload = (apiVersion: string, kind: string, spec: object): KubernetesObject => ({
    apiVersion,
    kind,
    metadata: { name: "guard", namespace: TEAM },
    spec,
  });
  const podTemplate = { ...template(labels), spec: { ...UNSCHEDULABLE, restartPolicy: "Always" } };
  const jobTemplate = { ...podTemplate, spec: { ...UNSCHEDULABLE, restartPolicy: "Never" } };
  const selector = { matchLabels: labels };
  const all: KubernetesObject[] = [
    pod("guard", restoreLatest),
    workload("apps/v1", "Deployment", { selector, template: podTemplate }),
    workload("apps/v1", "ReplicaSet", { selector, template: podTemplate }),
    workload("apps/v1", "StatefulSet", { selector, serviceName: "a", template: podTemplate }),
    workload("apps/v1", "DaemonSet", { selector, template: podTemplate }),
    workload("batch/v1", "Job", { template: jobTemplate }),
    workload("batch/v1", "CronJob", {
      schedule: "0 0 1 1 *",
      jobTemplate: { spec: { template: jobTemplate } },
    }),
    workload("v1", "ReplicationController", { selector: labels, template: podTemplate }),
  ];
  const attempt = async (object: KubernetesObject, as?: string) => {
    const path = await install.api.pathOf(object);
    const to = `${path.slice(0, path.lastIndexOf("/"))}?dryRun=All`;
    return install.api.request<{ message?: string }>("POST", to, object, as === undefined ? {} : { as });
  };

  beforeAll(async () => {
    const path = `/apis/apps/v1/namespaces/${TEAM}/deployments`;
    await send("POST", path, {
      ...workload("apps/v1", "Deployment", { replicas: 0, selector, template: template(labels) }),
      metadata: { name: "two" },
    });
    await send("POST", PODS, pod("by-name", { "cedana.ai/restore-from": "probe" }));
    await grant("without", []);
    await grant("with", [restorePermission]);
    await grant("one", [{ ...restorePermission, resourceNames: ["probe"] }]);
    await eventually(
      20,
      "the authorizer has the roles",
      async () => (await attempt(all[0] as KubernetesObject, "with")).status < 300,
    );
    // An API server loads new policies about once a second, each on its own.
    for (const object of all)
      await eventually(
        20,
        `the policy for ${object.kind} applies`,
        async () => (await attempt(object, "without")).status === 403,
      );
  });

  test.each(all.map((object) => [object.kind, object] as const))(
    "%s: only users with the permission can restore",
    async (_, object) => {
      const rejected = await attempt(object, "without");
      expect(rejected.status).toBe(403);
      expect(rejected.body.message).toMatch(
        "without may not restore in namespace again-team: it needs the verb restore on checkpoints.automation.cedana.ai",
      );
      expect((await attempt(object, "with")).status).toBe(201);
      expect((await attempt(object, "one")).status).toBe(403);
    },
  );

  test("a user without the permission cannot claim a Checkpoint", async () => {
    await install.checkpoint("wanted", { pod: "wanted", owner: undefined, hash: "" });
    const request = pod("wanted", { "cedana.ai/restore-from": "wanted" });
    const rejected = await install.api.request("POST", PODS, request, { as: "without" });
    expect(rejected.status).toBe(403);
    expect(await install.restoreOf("wanted")).toBeUndefined();
    await send("POST", PODS, request);
    expect(await install.restoreOf("wanted")).toMatchObject({ state: "Claimed" });
  });

  test("a permission on one Checkpoint applies to its name only", async () => {
    const named = (name: string) => pod("guard", { "cedana.ai/restore-from": name }) as KubernetesObject;
    expect((await attempt(named("probe"), "one")).status).toBe(201);
    expect((await attempt(named("named"), "one")).status).toBe(403);
  });

  test("setting the annotation by an update needs the permission; removing or keeping it does not", async () => {
    const path = `/apis/apps/v1/namespaces/${TEAM}/deployments/two?dryRun=All`;
    const annotations = "/spec/template/metadata/annotations";
    const patch = (operations: object[]) =>
      install.api.request("PATCH", path, operations, { ...JSON_PATCH, as: "without" });
    const other = { op: "add", path: `${annotations}/cedana.ai~1restore-from`, value: "probe" };
    expect((await patch([other])).status).toBe(403);
    expect(
      (await patch([{ op: "add", path: `${annotations}/cedana.ai~1restore-shared`, value: "true" }])).status,
    ).toBe(403);
    expect((await patch([{ op: "remove", path: `${annotations}/cedana.ai~1restore-from` }])).status).toBe(
      200,
    );
    expect((await patch([{ op: "add", path: `${annotations}/x`, value: "y" }])).status).toBe(200);
  });

  test.each<[string, Record<string, string>, Record<string, string>]>([
    ["an invalid value", { ...restoreLatest, "cedana.ai/restore-fallback": "stpo" }, {}],
    ["an invalid name", { "cedana.ai/restore-from": "A b" }, {}],
    ["an annotation of the controller", { "cedana.ai/restore-containers": "app" }, {}],
    ["the label of the controller", {}, { "cedana.ai/restored-from": "uid" }],
  ])("rejects %s", async (_, annotations, more) => {
    expect(
      (await attempt(pod("guard", annotations, { labels: more }) as KubernetesObject)).status,
    ).toBeGreaterThanOrEqual(403);
    const metadata = { labels: { ...labels, ...more }, annotations };
    const inTemplate = workload("apps/v1", "Deployment", {
      selector,
      template: { metadata, spec: UNSCHEDULABLE },
    });
    expect((await attempt(inTemplate)).status).toBeGreaterThanOrEqual(403);
  });

  test("rejects a change of the controller's annotations on a pod", async () => {
    const value = "evil";
    const path = "/metadata/annotations/cedana.ai~1restore-containers";
    const response = await install.api.request(
      "PATCH",
      `${PODS}/by-name`,
      [{ op: "replace", path, value }],
      JSON_PATCH,
    );
    expect(response.status).toBe(403);
  });

  test("overwrites the controller's annotations and label in a request", async () => {
    const forged = pod(
      "guard",
      { ...restoreLatest, "cedana.ai/restore-claim": "x" },
      { labels: { "cedana.ai/restored-from": "uid" } },
    );
    const { body } = await install.api.request<Pod>("POST", `${PODS}?dryRun=All`, forged);
    expect(body.metadata.labels?.["cedana.ai/restored-from"]).toBe("none");
    expect(Object.keys(body.metadata.annotations).toSorted()).toEqual([
      "cedana.ai/restore-from",
      "cedana.ai/restore-skipped",
    ]);
  });
});
