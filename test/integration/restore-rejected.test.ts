/**
 * Restores on a real API server where a later admission policy rejects what a restore changes in a pod: its RuntimeClass. Two
 * controllers serve the webhook; one of them stops meanwhile. Needs the same as apiserver.test.ts.
 */
import { eventually, kubeconfig, type KubernetesObject } from "../../testbed/cluster/apiserver";
import {
  CHECKPOINTS,
  CLASSES,
  isPlanned,
  JSON_PATCH,
  PODS,
  RestoreInstall,
  TEAM,
  template,
} from "./support/restore-install";

const config = kubeconfig();
const POLICY = "again-rejects-classes";
const POLICIES = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies";
const BINDINGS = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings";
const KINDS = ["deployment", "statefulset", "job"] as const;

/** Rejects pods with a RuntimeClass of restores, as a policy of another team that permits listed classes only. */
const policy = {
  apiVersion: "admissionregistration.k8s.io/v1",
  kind: "ValidatingAdmissionPolicy",
  metadata: { name: POLICY },
  spec: {
    failurePolicy: "Fail",
    matchConstraints: {
      namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": TEAM } },
      resourceRules: [{ apiGroups: [""], apiVersions: ["v1"], operations: ["CREATE"], resources: ["pods"] }],
    },
    validations: [
      {
        expression: `!(object.spec.?runtimeClassName.orValue("") in ${JSON.stringify(Object.values(CLASSES))})`,
        message: "this RuntimeClass is not allowed",
      },
    ],
  },
};
const binding = {
  apiVersion: "admissionregistration.k8s.io/v1",
  kind: "ValidatingAdmissionPolicyBinding",
  metadata: { name: POLICY },
  spec: { policyName: POLICY, validationActions: ["Deny"] },
};

(config === undefined ? describe.skip : describe)("Restores that another policy rejects", () => {
  const install = new RestoreInstall(config ?? "");
  const send: RestoreInstall["send"] = (...given) => install.send(...given);
  const withoutPolicy = async () => {
    for (const path of [BINDINGS, POLICIES]) await install.api.request("DELETE", `${path}/${POLICY}`);
  };

  beforeAll(async () => {
    await install.start();
    for (const [path, object] of [
      [POLICIES, policy],
      [BINDINGS, binding],
    ] as const)
      await send("POST", path, object);
    await eventually(30, "the policy rejects", async () => {
      const spec = {
        runtimeClassName: CLASSES.amd64,
        containers: [{ name: "app", image: "app:1" }],
      };
      const probe = {
        apiVersion: "v1",
        kind: "Pod",
        metadata: { name: "probe-policy", namespace: TEAM },
        spec,
      };
      return (await install.api.request("POST", `${PODS}?dryRun=All`, probe)).status === 422;
    });
  }, 120_000);
  afterAll(async () => {
    await withoutPolicy();
    await install.api.request(
      "DELETE",
      `/apis/batch/v1/namespaces/${TEAM}/jobs?propagationPolicy=Background`,
    );
    await install.stop();
  }, 60_000);

  /** Creates a workload without pods, and a completed Checkpoint of one of its pods. @returns how to scale it up */
  const prepare = {
    deployment: async () => {
      const labels = { app: "deployment" };
      const path = `/apis/apps/v1/namespaces/${TEAM}/deployments`;
      const selector = { matchLabels: labels };
      await send("POST", path, {
        apiVersion: "apps/v1",
        kind: "Deployment",
        metadata: { name: "deployment", namespace: TEAM },
        spec: { replicas: 0, selector, template: template(labels) },
      });
      const sets = `/apis/apps/v1/namespaces/${TEAM}/replicasets?labelSelector=app=deployment`;
      const all = async () => (await send<{ items: KubernetesObject[] }>("GET", sets)).items;
      await eventually(20, "its ReplicaSet exists", async () => (await all()).length === 1);
      const [set] = await all();
      const { name = "", labels: own } = set?.metadata ?? {};
      const hash = own?.["pod-template-hash"] ?? "";
      const owner = { kind: "ReplicaSet", name };
      // Two Checkpoints: their attempts count together.
      for (const one of ["one", "two"])
        await install.checkpoint(`deployment-${one}`, { pod: `${name}-${one}`, owner, hash });
      return () =>
        send(
          "PATCH",
          `${path}/deployment`,
          [{ op: "replace", path: "/spec/replicas", value: 3 }],
          JSON_PATCH,
        );
    },
    statefulset: async () => {
      const labels = { app: "statefulset" };
      const path = `/apis/apps/v1/namespaces/${TEAM}/statefulsets`;
      await send("POST", path, {
        apiVersion: "apps/v1",
        kind: "StatefulSet",
        metadata: { name: "statefulset", namespace: TEAM },
        spec: {
          replicas: 1,
          serviceName: "web",
          selector: { matchLabels: labels },
          template: template(labels),
        },
      });
      await eventually(
        20,
        "its pod exists",
        async () => (await install.podsOf("app=statefulset")).length === 1,
      );
      const [pod] = await install.podsOf("app=statefulset");
      const hash = pod?.metadata.labels?.["controller-revision-hash"] ?? "";
      const owner = { kind: "StatefulSet", name: "statefulset" };
      await install.checkpoint("statefulset-zero", { pod: "statefulset-0", owner, hash });
      return () => send("DELETE", `${PODS}/statefulset-0?gracePeriodSeconds=0`);
    },
    job: async () => {
      const labels = { app: "job" };
      const path = `/apis/batch/v1/namespaces/${TEAM}/jobs`;
      const { metadata, spec } = template(labels);
      const { metadata: job } = await send<{ metadata: { uid: string } }>("POST", path, {
        apiVersion: "batch/v1",
        kind: "Job",
        metadata: { name: "job", namespace: TEAM },
        spec: { suspend: true, template: { metadata, spec: { ...spec, restartPolicy: "Never" } } },
      });
      const owner = { apiVersion: "batch/v1", kind: "Job", name: "job", uid: job.uid };
      await install.checkpoint("job-one", { pod: "job-abcde", owner, hash: "" });
      return () =>
        send("PATCH", `${path}/job`, [{ op: "replace", path: "/spec/suspend", value: false }], JSON_PATCH);
    },
  };
  const stateOf = async (name: string) =>
    (
      await send<{
        status: { restore?: { state: string; message?: string; attempts?: { count: number } } };
      }>("GET", `${CHECKPOINTS}/${name}`)
    ).status.restore;
  const podsOf = (app: string) => install.podsOf(`app=${app}`);

  test("start without the checkpoint after a few attempts, with the reason, also if a replica stops meanwhile", async () => {
    const start = [];
    for (const kind of KINDS) start.push(await prepare[kind]());
    await Promise.all(start.map((one) => one()));
    await eventually(30, "attempts are recorded", async () => {
      const all = await Promise.all(["deployment-one", "statefulset-zero", "job-one"].map(stateOf));
      return all.every((one) => one?.attempts !== undefined);
    });
    const [replica] = install.replicas;
    if (replica === undefined) throw new Error("there is no replica");
    await install.evict(replica);
    install.restart(replica);
    const expected = { deployment: 3, statefulset: 1, job: 1 };
    for (const kind of KINDS)
      await eventually(240, `${kind} has pods`, async () => (await podsOf(kind)).length === expected[kind]);
    for (const kind of KINDS)
      for (const pod of await podsOf(kind)) {
        expect(isPlanned(pod)).toBe(false);
        expect(pod.spec.runtimeClassName).toBeUndefined();
        expect(pod.metadata.labels?.["cedana.ai/restored-from"]).toBe("none");
        expect(pod.metadata.annotations["cedana.ai/restore-skipped"]).toMatch(
          /^pods of \w+ .* that were to be restored were admitted \d+ times since .*, and none was created: a policy, a quota or another webhook rejects them$/,
        );
        await eventually(20, "an event reports the reason", async () =>
          (await install.events(pod.metadata.name)).some((one) =>
            one.startsWith("RestoreSkipped: starts fresh: pods of "),
          ),
        );
      }
    for (const name of ["statefulset-zero", "job-one"])
      expect(await stateOf(name)).toMatchObject({
        state: "PodMissing",
        message: expect.stringMatching("a pod was admitted without a checkpoint"),
      });
  }, 400_000);

  test("are restored again once the policy is deleted and the state is removed", async () => {
    await withoutPolicy();
    const remove = [{ op: "remove", path: "/status/restore" }];
    await send("PATCH", `${CHECKPOINTS}/statefulset-zero/status`, remove, JSON_PATCH);
    await eventually(60, "it is restored", async () => {
      await install.api.request("DELETE", `${PODS}/statefulset-0?gracePeriodSeconds=0`);
      await eventually(30, "its pod exists", async () => (await podsOf("statefulset")).length === 1);
      return (await podsOf("statefulset")).every(isPlanned);
    });
    const [pod] = await podsOf("statefulset");
    await eventually(
      20,
      "the claim has its pod",
      async () => (await install.restoreOf("statefulset-zero"))?.["podUID"] === pod?.metadata.uid,
    );
    expect(await stateOf("statefulset-zero")).not.toHaveProperty("attempts");
  }, 120_000);
});
