/**
 * Kind Checkpoint on a real API server: accepted and rejected objects with their messages, immutable fields, and the
 * columns of the list. Needs CEDANA_INTEGRATION_KUBECONFIG.
 */
import { Chart, Testing } from "cdk8s";
import { CHECKPOINT } from "../../api";
import { Crd } from "../../constructs/kubernetes/crds";
import { ApiServer, eventually, kubeconfig, type KubernetesObject } from "../../testbed/cluster/apiserver";

const config = kubeconfig();
const COLLECTION = "/apis/automation.cedana.ai/v1alpha1/namespaces/default/checkpoints";

const checkpoint = (spec: object, name = "sample"): KubernetesObject => ({
  apiVersion: "automation.cedana.ai/v1alpha1",
  kind: "Checkpoint",
  metadata: { name, namespace: "default" },
  spec,
});
const podRef = { name: "counter-0" };

(config === undefined ? describe.skip : describe)("kind Checkpoint", () => {
  let api: ApiServer;
  const message = async (spec: object): Promise<string> => {
    const { status, body } = await api.tryCreate(checkpoint(spec));
    return `${status} ${String(body["message"])}`;
  };
  const patch = (body: object, path = "sample", type = "merge-patch+json") =>
    api.request<KubernetesObject>("PATCH", `${COLLECTION}/${path}`, body, {
      contentType: `application/${type}`,
    });

  beforeAll(async () => {
    api = new ApiServer(config ?? "");
    const chart = new Chart(Testing.app(), "crds");
    new Crd(chart, "crd", { kind: CHECKPOINT });
    const [definition] = Testing.synth(chart) as KubernetesObject[];
    const applied = await api.apply(definition as KubernetesObject);
    if (applied.status >= 300) throw new Error(JSON.stringify(applied.body));
    const served = () =>
      api.request("GET", COLLECTION).then(
        ({ status }) => status === 200,
        () => false,
      );
    await eventually(30, "the kind is served", served);
  });
  afterAll(async () => {
    await api.request("DELETE", COLLECTION);
    api.close();
  });

  test.each<[string, object]>([
    ["only required fields", { podRef }],
    [
      "all fields",
      {
        podRef: { name: "a.b-c", uid: "0b8f5b0e-6d0c-4b52-9f3e-3f3c8e1f7a10" },
        containers: ["a", "b"],
        engine: "cedana",
        location: "/var/lib/checkpoints/counter..1",
        leaveRunning: false,
      },
    ],
    [
      "the maximum number of containers",
      { podRef, containers: Array.from({ length: 64 }, (_, index) => `c${index}`) },
    ],
  ])("accepts %s", async (_, spec) => {
    expect(await message(spec)).toMatch(/^201 /);
  });

  test.each<[string, object, string]>([
    ["no pod", {}, "spec.podRef: Required value"],
    ["a pod without name", { podRef: {} }, "spec.podRef.name: Required value"],
    ["an empty name", { podRef: { name: "" } }, "spec.podRef.name: Invalid value"],
    ["an invalid pod name", { podRef: { name: "Counter" } }, "spec.podRef.name in body should match"],
    ["no containers", { podRef, containers: [] }, "spec.containers in body should have at least 1 items"],
    ["a container twice", { podRef, containers: ["a", "a"] }, 'spec.containers[1]: Duplicate value: "a"'],
    ["an invalid container name", { podRef, containers: ["a.b"] }, "spec.containers[0] in body should match"],
    [
      "too many containers",
      { podRef, containers: Array.from({ length: 65 }, (_, index) => `c${index}`) },
      "spec.containers: Too many: 65: must have at most 64 items",
    ],
    [
      "an unknown engine",
      { podRef, engine: "podman" },
      'spec.engine: Unsupported value: "podman": supported values: "cedana", "criu"',
    ],
    ["a relative path", { podRef, location: "checkpoints/1" }, "spec.location in body should match"],
    ["a path with ..", { podRef, location: "/var/lib/../../etc" }, "location must not contain .."],
    ["the root directory", { podRef, location: "/" }, "spec.location in body should match"],
    ["a path with a trailing slash", { podRef, location: "/var/" }, "spec.location in body should match"],
    ["an unknown field", { podRef, path: "/a" }, 'unknown field "spec.path"'],
  ])("rejects %s", async (_, spec, text) => {
    const response = await message(spec);
    expect(response).toContain(text);
    expect(response).toMatch(/^(400|422) /);
  });

  test("the API server sets defaults", async () => {
    const { body } = await api.tryCreate(checkpoint({ podRef }));
    expect(body["spec"]).toEqual({ podRef, leaveRunning: true });
  });

  describe("an existing Checkpoint", () => {
    beforeAll(async () => {
      const { status } = await api.request(
        "POST",
        COLLECTION,
        checkpoint({ podRef, containers: ["a", "b"] }),
      );
      if (status !== 201) throw new Error(`not created: ${status}`);
    });

    test.each<[string, object]>([
      ["podRef", { podRef: { name: "another" } }],
      ["podRef", { podRef: { uid: "1" } }],
      ["containers", { containers: ["a"] }],
      ["containers", { containers: null }],
      ["engine", { engine: "cedana" }],
      ["location", { location: "/var/1" }],
      ["leaveRunning", { leaveRunning: false }],
    ])("%s is immutable: %j", async (field, spec) => {
      const { status, body } = await patch({ spec });
      expect([status, body["message"]]).toEqual([
        422,
        expect.stringContaining(`${field} is immutable: create another Checkpoint instead`),
      ]);
    });

    test("status is a subresource, merged by name and type, and shown in the list", async () => {
      const now = "2026-11-21T15:00:00Z";
      const condition = {
        type: "Ready",
        status: "True",
        reason: "CheckpointCompleted",
        message: "",
        lastTransitionTime: now,
      };
      const { apiVersion, kind } = checkpoint({});
      const apply = (status: object, metadata: object = {}, query = "&force=true") =>
        patch(
          { apiVersion, kind, metadata, status },
          `sample/status?fieldManager=cedana-controller&fieldValidation=Strict${query}`,
          "apply-patch+yaml",
        );
      const status = {
        observedGeneration: 1,
        engine: "cedana",
        podUID: "1",
        nodeName: "n1",
        owner: { apiVersion: "apps/v1", kind: "ReplicaSet", name: "counter-6c", uid: "2" },
        podTemplateHash: "6c",
        conditions: [condition],
        containers: [
          {
            name: "a",
            image: "busybox",
            checkpointID: "c1",
            startTime: now,
            completionTime: now,
            sizeBytes: 1,
          },
        ],
        startTime: now,
        completionTime: now,
        sizeBytes: 1048576,
        durationMilliseconds: 1500,
      };
      const response = await apply(status);
      expect([response.status, response.body["status"]]).toEqual([200, status]);

      const table = await api.request<{
        columnDefinitions: { name: string; priority: number }[];
        rows: { cells: unknown[] }[];
      }>("GET", COLLECTION, undefined, { accept: "application/json;as=Table;v=v1;g=meta.k8s.io" });
      expect(
        table.body.columnDefinitions.filter(({ priority }) => priority === 0).map(({ name }) => name),
      ).toEqual(["Name", "Pod", "Engine", "Ready", "Reason", "Size", "Duration", "Restore", "Age"]);
      expect(table.body.rows[0]?.cells.slice(0, 7)).toEqual([
        "sample",
        "counter-0",
        "cedana",
        "True",
        "CheckpointCompleted",
        1048576,
        1500,
      ]);

      // The controller depends on this: an apply to an older version is rejected. The API server does not compare UIDs.
      const { resourceVersion } = response.body.metadata;
      const again = { ...status, podUID: "3" };
      expect((await apply(again, { resourceVersion: "1" })).status).toBe(409);
      expect((await apply(again, { resourceVersion })).status).toBe(200);
      expect((await apply(again, { resourceVersion })).status).toBe(409);
      const missing = await patch(
        { apiVersion, kind, metadata: {}, status },
        "missing/status?fieldManager=a",
        "apply-patch+yaml",
      );
      expect(missing.status).toBe(404);
    });
  });
});
