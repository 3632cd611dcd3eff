/**
 * Kinds NodeCheckpoint and NodeRestore on a real API server: accepted and rejected objects with their messages, and the
 * immutable spec. Needs CEDANA_INTEGRATION_KUBECONFIG.
 */
import { Chart, Testing } from "cdk8s";
import { NODE_CHECKPOINT, NODE_RESTORE, nodeLabelValue, type Kind } from "../../api";
import { Crd } from "../../constructs/kubernetes/crds";
import { ApiServer, eventually, kubeconfig, type KubernetesObject } from "../../testbed/cluster/apiserver";
import { apply } from "./support/apiserver-install";

const config = kubeconfig();
const COLLECTION = "/apis/automation.cedana.ai/v1alpha1/namespaces/default/nodecheckpoints";
const UID = "0b8f5b0e-6d0c-4b52-9f3e-3f3c8e1f7a10";
const LONGEST = `${"n".repeat(63)}.${"o".repeat(63)}.example.com`;
const SPEC = {
  nodeName: "n1",
  podRef: { namespace: "team-a", name: "web-0", uid: UID },
  containerNames: ["app"],
  image: `localhost:5000/checkpoints:${UID}`,
  timeoutSeconds: 600,
};

const nodeCheckpoint = (spec: object, name = "sample", node = "n1"): KubernetesObject => ({
  apiVersion: "automation.cedana.ai/v1alpha1",
  kind: "NodeCheckpoint",
  metadata: { name, namespace: "default", labels: { "automation.cedana.ai/node": nodeLabelValue(node) } },
  spec,
});

let api: ApiServer;

async function message(object: KubernetesObject): Promise<string> {
  const { status, body } = await api.tryCreate(object);
  return `${status} ${String(body["message"])}`;
}

/** Installs the kind, and waits until the collection is served. */
async function install(kind: Kind, collection: string): Promise<void> {
  api = new ApiServer(config ?? "");
  const chart = new Chart(Testing.app(), "crds");
  new Crd(chart, "crd", { kind });
  for (const definition of Testing.synth(chart) as KubernetesObject[]) await apply(api, definition);
  await eventually(
    30,
    "the kind is served",
    async () => (await api.request("GET", collection)).status === 200,
  );
}

const change = (path: string, body: object) =>
  api.request<KubernetesObject>("PATCH", path, body, { contentType: "application/merge-patch+json" });

(config === undefined ? describe.skip : describe)("kind NodeCheckpoint", () => {
  beforeAll(() => install(NODE_CHECKPOINT, COLLECTION));
  afterAll(async () => {
    for (const name of ["sample", UID, "several-0", "several-64"])
      await api.request("DELETE", `${COLLECTION}/${name}`);
    api.close();
  });

  test("accepts the longest names", async () => {
    const image = `123456789012.dkr.ecr.us-gov-west-1.amazonaws.com/checkpoints:${UID}`;
    const spec = { ...SPEC, nodeName: LONGEST, containerNames: ["c".repeat(63)], image };
    expect(await message(nodeCheckpoint(spec, UID, LONGEST))).toMatch(/^201 /);
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
    ["an invalid container name", { containerNames: ["A"] }, "spec.containerNames[0] in body should match"],
    ["no containers", { containerNames: undefined }, "spec.containerNames: Required value"],
    [
      "a base image by tag",
      { containerNames: [], baseImages: [{ name: "a", image: "a:1" }] },
      "spec.baseImages[0].image in body should match",
    ],
    ["a duplicate container", { containerNames: ["a", "a"] }, "spec.containerNames[1]: Duplicate value"],
    [
      "an unknown way to treat connections",
      { containerNames: [], options: { tcp: "keep" } },
      'spec.options.tcp: Unsupported value: "keep"',
    ],
  ])("rejects %s", async (_, change, text) => {
    const response = await message(nodeCheckpoint({ ...SPEC, ...change }));
    expect(response).toMatch(/^422 /);
    expect(response).toContain(text);
  });

  test.each([
    ["all containers of a pod", [], {}],
    [
      "64 containers",
      Array.from({ length: 64 }, (_, index) => `${"c".repeat(60)}-${index}`),
      { tcp: "loopback", preDump: "off" },
    ],
  ])("accepts %s", async (_, containerNames, options) => {
    const name = `several-${containerNames.length}`;
    const spec = { ...SPEC, containerNames, options: { ...options, freezeSeconds: 3600 } };
    await apply(api, nodeCheckpoint(spec, name));
    const { body } = await api.request<KubernetesObject>("GET", `${COLLECTION}/${name}`);
    expect(body["spec"]).toMatchObject({ containerNames, options: { leaveRunning: true } });
    const rejected = await change(`${COLLECTION}/${name}`, { spec: { containerNames: ["other"] } });
    expect(JSON.stringify(rejected.body)).toContain("spec is immutable");
  });

  test("spec is immutable; status is a subresource", async () => {
    await apply(api, nodeCheckpoint(SPEC));
    const rejected = await change(`${COLLECTION}/sample`, { spec: { image: "localhost:5000/elsewhere:1" } });
    expect(rejected.status).toBe(422);
    expect(JSON.stringify(rejected.body)).toContain(
      "spec is immutable: create another NodeCheckpoint instead",
    );
    const notRestored = [{ code: "restart", message: "starts again" }];
    const containers = [{ name: "app", notRestored }];
    const digest = `sha256:${"a".repeat(64)}`;
    const image = `localhost:5000/checkpoints@${digest}`;
    for (const [wrong, words] of [
      [{ image: "localhost:5000/checkpoints:1" }, "image in body should match"],
      [{ image: "localhost:5000/checkpoints@sha256:ab" }, "image in body should match"],
      [{ image: `localhost:5000/elsewhere@${digest}` }, "in the repository of spec.image"],
      [{ image: `localhost:5000/checkpoints/a@${digest}` }, "in the repository of spec.image"],
      [{ image: `evil.example.com/checkpoints@${digest}` }, "in the repository of spec.image"],
      [{ image, digest: `sha256:${"b".repeat(64)}` }, "must have the digest of status.digest"],
    ] as const) {
      const { status, body } = await change(`${COLLECTION}/sample/status`, { status: wrong });
      expect([status, JSON.stringify(body)]).toEqual([422, expect.stringContaining(words)]);
    }
    const status = { image, digest, sizeBytes: 17, containers };
    const written = await change(`${COLLECTION}/sample/status`, { status, spec: { timeoutSeconds: 1 } });
    expect([written.status, written.body["status"], written.body["spec"]]).toEqual([200, status, SPEC]);
  });
});

(config === undefined ? describe.skip : describe)("kind NodeRestore", () => {
  const RESTORES = COLLECTION.replace("nodecheckpoints", "noderestores");
  const RESTORE = {
    nodeName: "n1",
    podRef: { namespace: "team-a", name: "web-0", uid: UID },
    checkpointUID: UID,
    image: `localhost:5000/checkpoints@sha256:${"a".repeat(64)}`,
    fallback: "fresh",
    restart: "again",
    lazy: true,
    timeoutSeconds: 300,
  };
  const nodeRestore = (spec: object, name = UID): KubernetesObject => ({
    ...nodeCheckpoint(spec, name),
    kind: "NodeRestore",
  });

  beforeAll(() => install(NODE_RESTORE, RESTORES));
  afterAll(async () => {
    await api.request("DELETE", `${RESTORES}/${UID}`);
    api.close();
  });

  test("accepts a request; spec is immutable, status is a subresource", async () => {
    await apply(api, nodeRestore(RESTORE));
    const rejected = await change(`${RESTORES}/${UID}`, { spec: { nodeName: "n2" } });
    expect(rejected.status).toBe(422);
    expect(JSON.stringify(rejected.body)).toContain("spec is immutable: create another NodeRestore instead");
    const status = { cause: "Incompatible", startTime: "2026-01-01T00:00:00Z" };
    const written = await change(`${RESTORES}/${UID}/status`, { status, spec: { lazy: false } });
    expect([written.status, written.body["status"], written.body["spec"]]).toEqual([200, status, RESTORE]);
  });

  test.each<[string, object, string]>([
    ["an image by tag", { image: "localhost:5000/checkpoints:1" }, "spec.image in body should match"],
    ["an unknown fallback", { fallback: "fail" }, 'spec.fallback: Unsupported value: "fail"'],
    ["an unknown restart", { restart: "never" }, 'spec.restart: Unsupported value: "never"'],
    ["no UID of the Checkpoint", { checkpointUID: undefined }, "spec.checkpointUID: Required value"],
  ])("rejects %s", async (_, change, text) => {
    const response = await message(nodeRestore({ ...RESTORE, ...change }, "rejected"));
    expect(response).toMatch(/^422 /);
    expect(response).toContain(text);
  });
});
