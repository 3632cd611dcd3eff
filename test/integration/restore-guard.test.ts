/**
 * Who may ask for a restore, on a real API server. Needs what apiserver.test.ts needs.
 */
import { eventually, kubeconfig, type KubernetesObject } from "./support/apiserver";
import {
  JSON_PATCH,
  NOWHERE,
  pod,
  PODS,
  RestoreInstall,
  TEAM,
  template,
  type Pod,
} from "./support/restore-install";

const config = kubeconfig();

(config === undefined ? describe.skip : describe)("Who may ask for a restore", () => {
  const install = new RestoreInstall(config ?? "");
  const send: RestoreInstall["send"] = (...given) => install.send(...given);

  beforeAll(() => install.start(), 120_000);
  afterAll(() => install.stop(), 60_000);

  test("the policies are right in the eyes of the API server", async () => {
    for (const { kind, metadata } of install.objects.filter(
      (one) => one.kind === "ValidatingAdmissionPolicy",
    )) {
      expect(kind).toBe("ValidatingAdmissionPolicy");
      const path = `/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies/${metadata.name}`;
      await eventually(20, `${metadata.name} is checked`, async () => {
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
    const about = { metadata: { name: user, namespace: TEAM } };
    const group = "rbac.authorization.k8s.io";
    await install.api.apply({ apiVersion: `${group}/v1`, kind: "Role", ...about, rules });
    await install.api.apply({
      apiVersion: `${group}/v1`,
      kind: "RoleBinding",
      ...about,
      roleRef: { apiGroup: group, kind: "Role", name: user },
      subjects: [{ apiGroup: group, kind: "User", name: user }],
    });
  };
  const right = { apiGroups: ["automation.cedana.ai"], resources: ["checkpoints"], verbs: ["restore"] };
  const wish = { "cedana.ai/restore-from": "latest" };
  const labels = { app: "guard" };
  const workload = (apiVersion: string, kind: string, spec: object): KubernetesObject => ({
    apiVersion,
    kind,
    metadata: { name: "guard", namespace: TEAM },
    spec,
  });
  const podTemplate = { ...template(labels), spec: { ...NOWHERE, restartPolicy: "Always" } };
  const jobTemplate = { ...podTemplate, spec: { ...NOWHERE, restartPolicy: "Never" } };
  const selector = { matchLabels: labels };
  const all: KubernetesObject[] = [
    pod("guard", wish),
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
    await grant("with", [right]);
    await grant("one", [{ ...right, resourceNames: ["probe"] }]);
    await eventually(
      20,
      "the authorizer knows the roles",
      async () => (await attempt(all[0] as KubernetesObject, "with")).status < 300,
    );
  });

  test.each(all.map((object) => [object.kind, object] as const))(
    "%s: who may restore, and nobody else",
    async (_, object) => {
      const refused = await attempt(object, "without");
      expect(refused.status).toBe(403);
      expect(refused.body.message).toMatch(
        "without may not restore in namespace again-team: it needs the verb restore on checkpoints.automation.cedana.ai",
      );
      expect((await attempt(object, "with")).status).toBe(201);
      expect((await attempt(object, "one")).status).toBe(403);
    },
  );

  test("who may not restore does not hold a Checkpoint either", async () => {
    await install.checkpoint("wanted", { pod: "wanted", owner: undefined, hash: "" });
    const asks = pod("wanted", { "cedana.ai/restore-from": "wanted" });
    const refused = await install.api.request("POST", PODS, asks, { as: "without" });
    expect(refused.status).toBe(403);
    expect(await install.restoreOf("wanted")).toBeUndefined();
    await send("POST", PODS, asks);
    expect(await install.restoreOf("wanted")).toMatchObject({ state: "Claimed" });
  });

  test("a right on one Checkpoint is one for its name", async () => {
    const named = (name: string) => pod("guard", { "cedana.ai/restore-from": name }) as KubernetesObject;
    expect((await attempt(named("probe"), "one")).status).toBe(201);
    expect((await attempt(named("named"), "one")).status).toBe(403);
  });

  test("to set it later is refused as well; to take it away, or to leave it, is not", async () => {
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
    ["a value that is none", { ...wish, "cedana.ai/restore-fallback": "stpo" }, {}],
    ["a name that is none", { "cedana.ai/restore-from": "A b" }, {}],
    ["a record of the controller", { "cedana.ai/restore-original-images": "{}" }, {}],
    ["the label of the controller", {}, { "cedana.ai/restored-from": "uid" }],
  ])("nobody sets %s", async (_, annotations, more) => {
    expect(
      (await attempt(pod("guard", annotations, { labels: more }) as KubernetesObject)).status,
    ).toBeGreaterThanOrEqual(403);
    const metadata = { labels: { ...labels, ...more }, annotations };
    const inTemplate = workload("apps/v1", "Deployment", {
      selector,
      template: { metadata, spec: NOWHERE },
    });
    expect((await attempt(inTemplate)).status).toBeGreaterThanOrEqual(403);
  });

  test("nobody changes what the controller has recorded on a pod", async () => {
    const value = '{"app":"evil:1"}';
    const path = "/metadata/annotations/cedana.ai~1restore-original-images";
    const answer = await install.api.request(
      "PATCH",
      `${PODS}/by-name`,
      [{ op: "replace", path, value }],
      JSON_PATCH,
    );
    expect(answer.status).toBe(403);
  });

  test("what is known of the restore in a request that brings it along is written over", async () => {
    const forged = pod(
      "guard",
      { ...wish, "cedana.ai/restore-claim": "x" },
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
