/**
 * The Kubernetes install on a real API server: every object is accepted, and the workloads become Ready on its nodes. Needs
 * CEDANA_INTEGRATION_KUBECONFIG (with at least one node, real or simulated, with the label cedana.ai/enabled=true) and
 * CEDANA_INTEGRATION_CRDS (a directory with the CRDs of Kueue).
 */
import { ApiServer, eventually, type KubernetesObject } from "./support/apiserver";
import { config, find, namespace, objects, prepare, apply, synth } from "./support/apiserver-install";

(config === undefined ? describe.skip : describe)("Kubernetes install", () => {
  let api: ApiServer;

  beforeAll(async () => {
    api = new ApiServer(config ?? "");
    await prepare(api);
    await apply(api, namespace("cedana-restricted", { "pod-security.kubernetes.io/enforce": "restricted" }));
  });

  afterAll(() => api.close());

  test("accepts every object with strict field validation", async () => {
    for (const object of objects) {
      const { status, body } = await api.apply(object);
      expect([object.kind, object.metadata.name, status < 300 || body]).toEqual([
        object.kind,
        object.metadata.name,
        true,
      ]);
    }
    expect(objects.length).toBeGreaterThan(30);
  });

  test("helper and health check become Ready on every node, and both managers available", async () => {
    const status = async (identity: string) =>
      ((await api.request("GET", await api.pathOf(find(identity)))).body["status"] ?? {}) as Record<
        string,
        number
      >;
    for (const name of ["helper", "health-check"]) {
      await eventually(60, `DaemonSet cedana-${name} is ready on all nodes`, async () => {
        const { desiredNumberScheduled = 0, numberReady = 0 } = await status(`DaemonSet/cedana-${name}`);
        return desiredNumberScheduled > 0 && numberReady === desiredNumberScheduled;
      });
    }
    await eventually(60, "two managers are available", async () => {
      return (await status("Deployment/cedana-manager"))["availableReplicas"] === 2;
    });
    const budget = await status("PodDisruptionBudget/cedana-manager");
    expect(budget).toMatchObject({ expectedPods: 2 });
  });

  test("a second apply changes nothing", async () => {
    for (const object of objects) {
      const before = (await api.request<KubernetesObject>("GET", await api.pathOf(object))).body;
      const after = await apply(api, object);
      expect([object.kind, object.metadata.name, revision(after)]).toEqual([
        object.kind,
        object.metadata.name,
        revision(before),
      ]);
    }
  });

  /** Returns a value that changes with the spec, not with the status. */
  function revision({ metadata }: KubernetesObject): unknown {
    return (metadata as { generation?: number }).generation ?? metadata.resourceVersion;
  }

  describe("Pod Security", () => {
    const restricted = async (identity: string) => {
      const { spec } = find(identity) as unknown as {
        spec: { template: { metadata: object; spec: object } };
      };
      return api.request(
        "POST",
        "/api/v1/namespaces/cedana-restricted/pods?dryRun=All&fieldValidation=Strict",
        {
          apiVersion: "v1",
          kind: "Pod",
          metadata: { ...spec.template.metadata, name: "pod" },
          spec: { ...spec.template.spec, serviceAccountName: "default" },
        },
      );
    };

    test.each(["manager", "dynamo-watcher"])("restricted accepts the %s", async (name) => {
      await eventually(20, "the namespace has its default ServiceAccount", async () => {
        const path = "/api/v1/namespaces/cedana-restricted/serviceaccounts/default";
        return (await api.request("GET", path)).status === 200;
      });
      expect(await restricted(`Deployment/cedana-${name}`)).toMatchObject({ status: 201 });
    });

    test("restricted rejects the helper", async () => {
      expect(await restricted("DaemonSet/cedana-helper")).toMatchObject({ status: 403 });
    });

    test("with an agent namespace, managers run in a restricted namespace and agents in a privileged one", async () => {
      const split = synth({
        name: "split",
        instance: "split",
        namespace: "split-system",
        agentNamespace: "split-agent",
        crds: false,
        runtimeClass: false,
      });
      for (const object of split) await apply(api, object);
      const at = async (kind: string, name: string) => {
        const object = split.find((one) => one.kind === kind && one.metadata.name === name);
        return (await api.request("GET", await api.pathOf(object as KubernetesObject))).body[
          "status"
        ] as Record<string, number>;
      };
      await eventually(60, "managers are available, helpers ready", async () => {
        const { availableReplicas } = await at("Deployment", "split-manager");
        const { numberReady = 0, desiredNumberScheduled } = await at("DaemonSet", "split-helper");
        return availableReplicas === 2 && numberReady > 0 && numberReady === desiredNumberScheduled;
      });
      for (const object of split.toReversed()) await api.delete(object);
      expect(split.filter(({ kind }) => kind === "ConfigMap")).toHaveLength(2);
    });
  });

  test("a pod with the RuntimeClass gets the nodeSelector of nodes with the agent", async () => {
    const { body } = await api.request<{ spec: { nodeSelector: object } }>(
      "POST",
      "/api/v1/namespaces/default/pods?dryRun=All",
      {
        apiVersion: "v1",
        kind: "Pod",
        metadata: { name: "restored" },
        spec: { runtimeClassName: "cedana", containers: [{ name: "a", image: "busybox:1.37" }] },
      },
    );
    expect(body.spec.nodeSelector).toEqual({ "cedana.ai/enabled": "true" });
  });

  describe("Cedana", () => {
    const cedana = (spec?: object): KubernetesObject => ({
      apiVersion: "core.cedana.ai/v1",
      kind: "Cedana",
      metadata: { name: "sample", namespace: "team-a" },
      ...(spec === undefined ? {} : { spec }),
    });
    const named = { containerName: "counter", sandboxName: "counter-0" };

    beforeAll(() =>
      eventually(30, "the kind is served", async () => {
        const path = "/apis/core.cedana.ai/v1/namespaces/team-a/cedanas";
        return (await api.request("GET", path)).status === 200;
      }),
    );

    test.each<[string, object | undefined]>([
      ["a checkpoint", { ...named, method: "Checkpoint" }],
      ["a restore", { ...named, method: "Restore" }],
      ["a completed one", { ...named, method: "Done" }],
      ["only a method", { method: "Pending" }],
      ["an empty spec", {}],
      ["no spec", undefined],
    ])("accepts %s", async (_, spec) => {
      expect(await api.tryCreate(cedana(spec))).toMatchObject({ status: 201 });
    });

    test.each<[string, object]>([
      ["an unknown method", { ...named, method: "Snapshot" }],
      ["a checkpoint without container and sandbox", { method: "Checkpoint" }],
      ["a restore without sandbox", { containerName: "counter", method: "Restore" }],
      ["an empty name", { containerName: "", sandboxName: "a", method: "Checkpoint" }],
      ["an unknown field", { ...named, method: "Checkpoint", podName: "a" }],
      ["a number as name", { containerName: 1 }],
    ])("rejects %s", async (_, spec) => {
      const { status } = await api.tryCreate(cedana(spec));
      expect([400, 422]).toContain(status);
    });

    test("accepts a status update", async () => {
      await apply(api, cedana({ ...named, method: "Checkpoint" }));
      const path = `${await api.pathOf(cedana())}/status`;
      const status = {
        checkpointDone: true,
        lastCheckpointedTime: "2024-08-15T10:00:00Z",
        bundlePath: "/run/b",
      };
      const patched = await api.request(
        "PATCH",
        `${path}?fieldValidation=Strict`,
        { status },
        {
          contentType: "application/merge-patch+json",
        },
      );
      expect(patched).toMatchObject({ status: 200, body: { status } });
      await api.delete(cedana());
    });
  });
});
