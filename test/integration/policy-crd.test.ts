/**
 * Kinds CheckpointPolicy and ClusterCheckpointPolicy on a real API server: accepted and rejected objects with their messages,
 * defaults and columns. Needs CEDANA_INTEGRATION_KUBECONFIG.
 */
import { Chart, Testing } from "cdk8s";
import { CHECKPOINT_POLICY, CLUSTER_CHECKPOINT_POLICY } from "../../api";
import { Crd } from "../../constructs/kubernetes/crds";
import { ApiServer, eventually, kubeconfig, type KubernetesObject } from "../../testbed/cluster/apiserver";
import { DOCUMENTED_POLICIES } from "../support/docs-policies";
import { ACCEPTED, interval, MIRRORED, REJECTED } from "../support/policy-cases";
import { apply } from "./support/apiserver-install";

const config = kubeconfig();
const GROUP = "/apis/automation.cedana.ai/v1alpha1";
const COLLECTION = `${GROUP}/namespaces/default/checkpointpolicies`;
const CLUSTER_COLLECTION = `${GROUP}/clustercheckpointpolicies`;

(config === undefined ? describe.skip : describe)("kinds of policies", () => {
  let api: ApiServer;

  async function message(spec: object, name = "sample"): Promise<string> {
    const { status, body } = await api.tryCreate({
      apiVersion: "automation.cedana.ai/v1alpha1",
      kind: "CheckpointPolicy",
      metadata: { name, namespace: "default" },
      spec: { trigger: interval, action: { checkpoint: {} }, ...spec },
    });
    return `${status} ${String(body["message"])}`;
  }

  async function clusterMessage(filter: object | undefined): Promise<string> {
    const { status, body } = await api.tryCreate({
      apiVersion: "automation.cedana.ai/v1alpha1",
      kind: "ClusterCheckpointPolicy",
      metadata: { name: "sample" },
      spec: { trigger: interval, action: { checkpoint: {} }, ...(filter && { filter }) },
    });
    return `${status} ${String(body["message"])}`;
  }

  beforeAll(async () => {
    api = new ApiServer(config ?? "");
    const chart = new Chart(Testing.app(), "crds");
    for (const kind of [CHECKPOINT_POLICY, CLUSTER_CHECKPOINT_POLICY]) new Crd(chart, kind.crdName, { kind });
    for (const definition of Testing.synth(chart) as KubernetesObject[]) await apply(api, definition);
    for (const path of [COLLECTION, CLUSTER_COLLECTION])
      await eventually(30, `${path} is served`, async () => (await api.request("GET", path)).status === 200);
  });
  afterAll(async () => {
    for (const path of [COLLECTION, CLUSTER_COLLECTION]) await api.request("DELETE", path);
    api.close();
  });

  test.each([...ACCEPTED, ...MIRRORED])("accepts %s", async (_, spec) => {
    expect(await message(spec)).toMatch(/^201 /);
  });

  test.each(REJECTED)("rejects %s", async (_, spec, text) => {
    const answer = await message(spec);
    expect(answer).toMatch(/^422 /);
    expect(answer).toContain(text);
  });

  test.each(DOCUMENTED_POLICIES.map((one) => [one.metadata.name, one] as const))(
    "accepts the policy %s of the documentation",
    async (_, policy) => {
      const { status, body } = await api.tryCreate({
        ...policy,
        metadata: { ...policy.metadata, namespace: "default" },
      });
      expect(`${status} ${String(body["message"])}`).toMatch(/^201 /);
    },
  );

  test("rejects a name that is no value of a label", async () => {
    expect(await message({}, "a".repeat(64))).toContain("metadata.name is longer than 63 characters");
    expect(await message({}, "a".repeat(63))).toMatch(/^201 /);
  });

  test("a cluster policy names its namespaces, and may select all", async () => {
    const missing = "set namespaces or namespaceSelector; namespaceSelector: {} selects all namespaces";
    expect(await clusterMessage({ phases: ["Running"] })).toContain(missing);
    expect(await clusterMessage(undefined)).toContain("spec.filter: Required value");
    expect(await clusterMessage({ namespaceSelector: {} })).toMatch(/^201 /);
    expect(await clusterMessage({ namespaces: ["team-a"] })).toMatch(/^201 /);
  });

  test("sets the defaults", async () => {
    await apply(api, {
      apiVersion: "automation.cedana.ai/v1alpha1",
      kind: "CheckpointPolicy",
      metadata: { name: "defaults", namespace: "default" },
      spec: { trigger: interval, action: { checkpoint: {} } },
    });
    const { body } = await api.request<KubernetesObject & { spec: object }>("GET", `${COLLECTION}/defaults`);
    expect(body.spec).toEqual({
      suspend: false,
      trigger: interval,
      action: { checkpoint: { leaveRunning: true } },
      minSpacingSeconds: 60,
      deadlineSeconds: 600,
      maxInFlight: 10,
    });
  });
});
