/**
 * Kind NodeCheckpoint on a real API server: accepted and rejected objects with their messages, and the immutable spec. Needs
 * CEDANA_INTEGRATION_KUBECONFIG.
 */
import { Chart, Testing } from "cdk8s";
import { NODE_CHECKPOINT, nodeCheckpointName, nodeLabelValue } from "../../api";
import { Crd } from "../../constructs/kubernetes/crds";
import { ApiServer, eventually, kubeconfig, type KubernetesObject } from "./support/apiserver";
import { apply } from "./support/apiserver-install";

const config = kubeconfig();
const COLLECTION = "/apis/automation.cedana.ai/v1alpha1/namespaces/default/nodecheckpoints";
const UID = "0b8f5b0e-6d0c-4b52-9f3e-3f3c8e1f7a10";
const LONGEST = `${"n".repeat(63)}.${"o".repeat(63)}.example.com`;
const SPEC = {
  nodeName: "n1",
  podRef: { namespace: "team-a", name: "web-0", uid: UID },
  containerName: "app",
  image: `localhost:5000/checkpoints:${UID}-app`,
  timeoutSeconds: 600,
};

const nodeCheckpoint = (spec: object, name = "sample", node = "n1"): KubernetesObject => ({
  apiVersion: "automation.cedana.ai/v1alpha1",
  kind: "NodeCheckpoint",
  metadata: { name, namespace: "default", labels: { "automation.cedana.ai/node": nodeLabelValue(node) } },
  spec,
});

(config === undefined ? describe.skip : describe)("kind NodeCheckpoint", () => {
  let api: ApiServer;
  const message = async (object: KubernetesObject): Promise<string> => {
    const { status, body } = await api.tryCreate(object);
    return `${status} ${String(body["message"])}`;
  };

  beforeAll(async () => {
    api = new ApiServer(config ?? "");
    const chart = new Chart(Testing.app(), "crds");
    new Crd(chart, "crd", { kind: NODE_CHECKPOINT });
    for (const definition of Testing.synth(chart) as KubernetesObject[]) await apply(api, definition);
    await eventually(
      30,
      "the kind is served",
      async () => (await api.request("GET", COLLECTION)).status === 200,
    );
  });
  afterAll(async () => {
    await api.request("DELETE", `${COLLECTION}/sample`);
    api.close();
  });

  test("accepts the longest names", async () => {
    const containerName = "c".repeat(63);
    const name = nodeCheckpointName(UID, containerName);
    const image = `123456789012.dkr.ecr.us-gov-west-1.amazonaws.com/checkpoints:${name}`;
    const spec = { ...SPEC, nodeName: LONGEST, containerName, image };
    expect(await message(nodeCheckpoint(spec, name, LONGEST))).toMatch(/^201 /);
  });

  test.each<[string, object, string]>([
    ["no UID", { podRef: { namespace: "team-a", name: "web-0" } }, "spec.podRef.uid: Required value"],
    ["an image without a tag", { image: "localhost:5000/checkpoints" }, "spec.image in body should match"],
    [
      "an image by digest",
      { image: "localhost:5000/checkpoints@sha256:ab" },
      "spec.image in body should match",
    ],
    ["no timeout", { timeoutSeconds: 0 }, "spec.timeoutSeconds in body should be greater than or equal to 1"],
    ["an invalid container name", { containerName: "A" }, "spec.containerName in body should match"],
  ])("rejects %s", async (_, change, text) => {
    const response = await message(nodeCheckpoint({ ...SPEC, ...change }));
    expect(response).toMatch(/^422 /);
    expect(response).toContain(text);
  });

  test("spec is immutable; status is a subresource", async () => {
    await apply(api, nodeCheckpoint(SPEC));
    const change = (body: object, path = "sample") =>
      api.request<KubernetesObject>("PATCH", `${COLLECTION}/${path}`, body, {
        contentType: "application/merge-patch+json",
      });
    const rejected = await change({ spec: { image: "localhost:5000/elsewhere:1" } });
    expect(rejected.status).toBe(422);
    expect(JSON.stringify(rejected.body)).toContain(
      "spec is immutable: create another NodeCheckpoint instead",
    );
    const notRestored = [{ code: "restart", message: "starts again" }];
    const status = { image: "localhost:5000/checkpoints@sha256:ab", sizeBytes: 17, notRestored };
    const written = await change({ status, spec: { timeoutSeconds: 1 } }, "sample/status");
    expect([written.status, written.body["status"], written.body["spec"]]).toEqual([200, status, SPEC]);
  });
});
