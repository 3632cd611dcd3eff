/**
 * The admission policies on a real API server, as rendered and as Kustomize moves and renames the objects: whatever is rejected
 * in the rendered install is rejected in the others. Needs CEDANA_INTEGRATION_KUBECONFIG and kubectl.
 */
import { ApiServer, eventually, kubeconfig, type KubernetesObject } from "../../testbed/cluster/apiserver";
import { CERTIFICATE } from "../support/certificate";
import { MovedInstall, NAMESPACE, REPOSITORY, type Move } from "./support/moved-install";

const config = kubeconfig();
const [HERE, THERE] = ["fence-here", "fence-there"] as const;
const TEAM = "fence-team";
const UID = "0b8f5b0e-6d0c-4b52-9f3e-3f3c8e1f7a10";
const DIGEST = `sha256:${"a".repeat(64)}`;
const JSON_PATCH = { contentType: "application/json-patch+json" };
const MERGE = { contentType: "application/merge-patch+json" };
const STRATEGIC = { contentType: "application/strategic-merge-patch+json" };
const RECORD = "cedana.ai/restore-failed";
const FROM = "cedana.ai/restore-from";
const DRY = "?dryRun=All";

const MOVES: readonly (readonly [string, Move | undefined])[] = [
  ["as rendered", undefined],
  ["kustomize namespace", { namespace: "fence-elsewhere" }],
  ["kustomize namePrefix and nameSuffix", { namePrefix: "x-", nameSuffix: "-y" }],
  ["kustomize namespace and namePrefix", { namespace: "fence-elsewhere", namePrefix: "x-" }],
];

const spec = { containers: [{ name: "app", image: "app:1" }] };
const pod = (name: string, metadata: object = {}, more: object = {}): KubernetesObject => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name, namespace: TEAM, ...metadata },
  spec: { ...spec, nodeSelector: { "integration/none": "true" }, ...more },
});
const node = (name: string): KubernetesObject => ({
  apiVersion: "v1",
  kind: "Node",
  metadata: { name, labels: { zone: "a" } },
  spec: { taints: [{ key: "team", value: "a", effect: "NoSchedule" }] },
});
const namespace = (name: string): KubernetesObject => ({
  apiVersion: "v1",
  kind: "Namespace",
  metadata: { name },
});

(config === undefined ? describe.skip : describe).each(MOVES)("The policies of an install: %s", (_, move) => {
  const api = new ApiServer(config ?? "");
  const install = new MovedInstall(api, move);
  const own = `/apis/automation.cedana.ai/v1alpha1/namespaces/${install.namespace}`;
  let [agent, healthCheck] = ["", ""];
  /** Whether the API server has the feature gate ImageVolume. Otherwise it drops the field. */
  let imageVolumes = false;

  const put = async (object: KubernetesObject) => {
    const { status, body } = await api.apply(object);
    if (status >= 300) throw new Error(`${object.kind}/${object.metadata.name}: ${JSON.stringify(body)}`);
  };
  /** @returns the status, and the message of a rejection */
  const patch = async (path: string, body: unknown, options: object) => {
    const { status, body: answer } = await api.request<{ message?: string }>(
      "PATCH",
      path + DRY,
      body,
      options,
    );
    return status < 300 ? "allowed" : `${status} ${answer.message}`;
  };
  const post = async (object: KubernetesObject, as?: string) => {
    const path = await api.pathOf(object);
    const to = path.slice(0, path.lastIndexOf("/")) + DRY;
    const { status, body } = await api.request<{ message?: string }>("POST", to, object, as ? { as } : {});
    return status < 300 ? "allowed" : `${status} ${body.message}`;
  };
  /** Repeats a request that is allowed: an API server loads each new policy on its own. @returns as `patch` */
  const denied = async (request: () => Promise<string>) => {
    let result = "";
    const isDenied = async () => (result = await request()) !== "allowed";
    await eventually(30, "the policy applies", isDenied).catch(() => undefined);
    return result;
  };
  const rejected = (words: string) => expect.stringMatching(new RegExp(`^(403|422) .*${words}`)) as string;

  beforeAll(async () => {
    await install.start();
    for (const name of [TEAM, NAMESPACE]) await put(namespace(name));
    for (const name of [HERE, THERE]) await put(node(name));
    await put(pod("web", { labels: { app: "web" }, annotations: { note: "a" } }));
    for (const name of [HERE, THERE]) {
      const common = {
        nodeName: name,
        podRef: { namespace: TEAM, name: "web", uid: UID },
        timeoutSeconds: 60,
      };
      const about = { name, namespace: install.namespace };
      const apiVersion = "automation.cedana.ai/v1alpha1";
      const checkpoint = { containerNames: ["app"], image: `${REPOSITORY}:1` };
      await put({
        apiVersion,
        kind: "NodeCheckpoint",
        metadata: about,
        spec: { ...common, ...checkpoint },
      });
      const restore = { checkpointUID: UID, image: `${REPOSITORY}@${DIGEST}`, fallback: "fresh" };
      const choices = { restart: "fresh", lazy: false };
      await put({
        apiVersion,
        kind: "NodeRestore",
        metadata: about,
        spec: { ...common, ...restore, ...choices },
      });
    }
    const group = "rbac.authorization.k8s.io";
    const about = { name: "fence-author", namespace: TEAM };
    const subjects = [{ apiGroup: group, kind: "User", name: "author" }];
    for (const home of [TEAM, NAMESPACE]) {
      await put({
        apiVersion: `${group}/v1`,
        kind: "RoleBinding",
        metadata: { ...about, namespace: home },
        roleRef: { apiGroup: group, kind: "ClusterRole", name: "edit" },
        subjects,
      });
    }
    const { body } = await api.request<{ minor: string }>("GET", "/version");
    imageVolumes = Number.parseInt(body.minor) >= 35;
    agent = await install.tokenOn("agent", HERE);
    healthCheck = await install.tokenOn("health-check", HERE);
    await install.podOn("health-check", THERE);
    await eventually(30, "the policy of nodes applies", async () => {
      const [result] = await nodeWrites([[{ op: "add", path: "/metadata/labels/zone", value: "b" }]]);
      return result !== "allowed";
    });
  }, 120_000);

  afterAll(async () => {
    for (const object of [node(HERE), node(THERE), namespace(TEAM), namespace(NAMESPACE)])
      await api.delete(object);
    await install.stop();
    await eventually(60, "the namespaces are deleted", async () => {
      const all = [TEAM, NAMESPACE].map((name) => api.request("GET", `/api/v1/namespaces/${name}`));
      return (await Promise.all(all)).every(({ status }) => status === 404);
    });
    api.close();
  }, 180_000);

  const asController = { as: install.user("controller") };
  async function nodeWrites(patches: readonly object[][]): Promise<string[]> {
    const results: string[] = [];
    for (const operations of patches)
      results.push(await patch(`/api/v1/nodes/${HERE}`, operations, { ...JSON_PATCH, ...asController }));
    return results;
  }

  test("pass the type check of the API server", async () => {
    const policies = install.objects.filter(({ kind }) => kind === "ValidatingAdmissionPolicy");
    expect(policies.length).toBe(14);
    for (const { metadata } of policies) {
      const path = `/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies/${metadata.name}`;
      type Checked = {
        status?: { observedGeneration?: number; typeChecking?: { expressionWarnings?: object[] } };
      };
      const read = async () => (await api.request<Checked>("GET", path)).body.status;
      await eventually(
        30,
        `${metadata.name} is checked`,
        async () => (await read())?.observedGeneration === 1,
      );
      expect([metadata.name, (await read())?.typeChecking?.expressionWarnings ?? []]).toEqual([
        metadata.name,
        [],
      ]);
    }
  });

  test.each(["nodecheckpoints", "noderestores"])(
    "an agent writes the status of %s of its own node only",
    async (plural) => {
      const write = (name: string, token: string) =>
        patch(`${own}/${plural}/${name}/status`, { status: { observedGeneration: 1 } }, { ...MERGE, token });
      expect(await write(HERE, agent)).toBe("allowed");
      expect(await denied(() => write(THERE, agent))).toEqual(
        rejected("NodeCheckpoints and NodeRestores only"),
      );
    },
  );

  test("the health check writes the status of its own pod only, and no labels by it", async () => {
    const write = async (on: string, body: object) => {
      const { metadata } = await install.podOn("health-check", on);
      const path = `/api/v1/namespaces/${install.namespace}/pods/${metadata.name}/status`;
      return patch(path, body, { ...STRATEGIC, token: healthCheck });
    };
    const status = { conditions: [{ type: "cedana.ai/node-can-checkpoint", status: "True" }] };
    expect(await write(HERE, { status })).toBe("allowed");
    expect(await denied(() => write(THERE, { status }))).toEqual(rejected("its own pod only"));
    expect(await write(HERE, { metadata: { labels: { a: "b" } }, status })).toEqual(rejected("no metadata"));
  });

  test("the controller changes only the taint of the gate on a node", async () => {
    const gate = { key: "cedana.ai/not-ready", value: "true", effect: "NoSchedule" };
    const add = (path: string, value: unknown) => [{ op: "add", path, value }];
    expect(
      await nodeWrites([
        add("/spec/taints/-", gate),
        add("/spec/taints/-", { ...gate, effect: "NoExecute" }),
        add("/spec/taints/-", { ...gate, key: "other" }),
        [{ op: "remove", path: "/spec/taints/0" }],
        add("/spec/unschedulable", true),
        add("/metadata/labels/zone", "b"),
        add("/metadata/annotations", { a: "b" }),
        add("/metadata/finalizers", ["a.b/c"]),
      ]),
    ).toEqual([
      "allowed",
      ...Array.from({ length: 4 }, () => rejected("but the taint")),
      ...Array.from({ length: 3 }, () => rejected("no metadata")),
    ]);
  });

  test("the controller changes only its condition in the status of a node", async () => {
    const write = (body: object) =>
      patch(`/api/v1/nodes/${HERE}/status`, body, { ...STRATEGIC, ...asController });
    const condition = (type: string) => ({ status: { conditions: [{ type, status: "True" }] } });
    expect(await write(condition("CedanaReady"))).toBe("allowed");
    for (const body of [
      condition("Ready"),
      { status: { capacity: { "example.com/gpu": "8" } } },
      { status: { addresses: [{ type: "InternalIP", address: "192.0.2.1" }] } },
    ])
      expect(await denied(() => write(body))).toEqual(rejected("but the condition CedanaReady"));
    expect(await write({ metadata: { labels: { zone: "b" } } })).toEqual(rejected("no metadata"));
  });

  test("the controller changes only its records on a pod", async () => {
    const write = (operations: object[]) =>
      patch(`/api/v1/namespaces/${TEAM}/pods/web`, operations, { ...JSON_PATCH, ...asController });
    const add = (path: string, value: unknown) => write([{ op: "add", path, value }]);
    expect(await add(`/metadata/annotations/${RECORD.replace("/", "~1")}`, "a")).toBe("allowed");
    expect(await add("/metadata/labels/cedana.ai~1restored-from", "none")).toBe("allowed");
    const ofPod = rejected("no metadata of a pod");
    expect(await denied(() => add("/metadata/annotations/note", "b"))).toEqual(ofPod);
    expect(await add("/metadata/labels/app", "other")).toEqual(ofPod);
    expect(await add("/metadata/finalizers", ["a.b/c"])).toEqual(ofPod);
    expect(await write([{ op: "remove", path: "/metadata/labels" }])).toEqual(rejected("no metadata"));
    expect(await add("/spec/containers/0/image", "evil:1")).toEqual(rejected("the spec of a pod"));
  });

  test("the controller creates no Secret but its certificate", async () => {
    const secret = (name: string, type: string, annotations = {}): KubernetesObject => ({
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name, namespace: install.namespace, annotations } as KubernetesObject["metadata"],
      type,
      ...(type.endsWith("tls") ? { data: { "tls.crt": "", "tls.key": "" } } : {}),
    });
    const { as } = asController;
    expect(await post(secret("fence-restore-certificate", "kubernetes.io/tls"), as)).toBe("allowed");
    const other = secret("other", "kubernetes.io/tls");
    expect(await denied(() => post(other, as))).toEqual(rejected("creates no Secret"));
    // It could read this one.
    const token = secret("fence-restore-certificate", "kubernetes.io/service-account-token", {
      "kubernetes.io/service-account.name": install.account("agent"),
    });
    expect(await post(token, as)).toEqual(rejected("creates no Secret"));
  });

  test("the controller changes only the caBundle of its webhook", async () => {
    const { metadata } = install.webhook;
    const path = `/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/${metadata.name}`;
    const write = (op: string, at: string, value?: unknown) =>
      patch(path, [{ op, path: at, value }], { ...JSON_PATCH, ...asController });
    const caBundle = Buffer.from(CERTIFICATE).toString("base64");
    // Its Role has the name of the rendered object.
    const isRenamed = move?.namePrefix !== undefined;
    const expected = (words: string) => rejected(isRenamed ? "cannot patch resource" : words);
    expect(await write("add", "/webhooks/0/clientConfig/caBundle", caBundle)).toEqual(
      isRenamed ? expected("") : "allowed",
    );
    const rule = { apiGroups: ["*"], apiVersions: ["*"], resources: ["*"], operations: ["*"], scope: "*" };
    const name = "other.cedana.ai";
    const admissionReviewVersions = ["v1"];
    const clientConfig = { url: "https://evil.example.com" };
    const other = { name, admissionReviewVersions, clientConfig, sideEffects: "None", rules: [rule] };
    const changes: [op: string, path: string, value?: unknown][] = [
      ["add", "/webhooks/0/rules/-", rule],
      ["replace", "/webhooks/0/rules", [rule]],
      ["replace", "/webhooks/0/clientConfig/service/namespace", "default"],
      ["replace", "/webhooks/0/clientConfig", { ...clientConfig, caBundle }],
      ["replace", "/webhooks/0/failurePolicy", "Fail"],
      ["replace", "/webhooks/0/matchConditions", []],
      ["remove", "/webhooks/0/namespaceSelector"],
      ["replace", "/webhooks/0/name", name],
      ["add", "/webhooks/-", other],
      ["remove", "/webhooks/0"],
    ];
    for (const change of changes)
      expect([change, await denied(() => write(...change))]).toEqual([change, expected("but its caBundle")]);
    expect(await write("add", "/metadata/finalizers", ["a.b/c"])).toEqual(expected("no metadata"));
  });

  describe.each([TEAM, NAMESPACE, "kube-system"])("in namespace %s", (home) => {
    const at = { namespace: home };
    const workload = (apiVersion: string, kind: string, body: object): KubernetesObject => ({
      apiVersion,
      kind,
      metadata: { name: "fence", ...at },
      spec: body,
    });
    const labels = { app: "fence" };
    const templated = (metadata: object, image = "app:1"): KubernetesObject[] => {
      const containers = [{ name: "app", image }];
      const template = { metadata: { labels, ...metadata }, spec: { containers } };
      const job = { template: { ...template, spec: { containers, restartPolicy: "Never" } } };
      const selector = { matchLabels: labels };
      return [
        workload("apps/v1", "Deployment", { selector, template }),
        workload("apps/v1", "ReplicaSet", { selector, template }),
        workload("apps/v1", "StatefulSet", { selector, template, serviceName: "a" }),
        workload("apps/v1", "DaemonSet", { selector, template }),
        workload("batch/v1", "Job", job),
        workload("batch/v1", "CronJob", { schedule: "0 0 1 1 *", jobTemplate: { spec: job } }),
        workload("v1", "ReplicationController", { selector: labels, template }),
      ];
    };
    // The author has no role there: RBAC rejects the request before any policy.
    const isSystem = home === "kube-system";

    test("only users with the permission request a restore", async () => {
      const annotations = { [FROM]: "latest" };
      const all = [pod("fence", { ...at, annotations }), ...templated({ annotations })];
      for (const object of all)
        expect([object.kind, await denied(() => post(object, "author"))]).toEqual([
          object.kind,
          rejected(isSystem ? "forbidden" : "may not restore"),
        ]);
      for (const object of all.slice(1))
        expect([object.kind, await post(object)]).toEqual([object.kind, "allowed"]);
    });

    test("no user sets the records of a restore", async () => {
      for (const metadata of [
        { annotations: { "cedana.ai/restore-plan": UID } },
        { annotations: { "cedana.ai/restore-claim": UID } },
        { labels: { ...labels, "cedana.ai/restored-from": UID } },
      ])
        for (const object of [pod("fence", { ...at, ...metadata }), ...templated(metadata)])
          expect([object.kind, await denied(() => post(object))]).toEqual([
            object.kind,
            rejected("reserved for the controller"),
          ]);
    });

    test("no pod names a checkpoint as an image", async () => {
      const container = { name: "app", image: "app:1" };
      const names = [
        `${REPOSITORY}@${DIGEST}`,
        `${REPOSITORY}:1`,
        REPOSITORY,
        `REGISTRY.example.com/fence/checkpoints@${DIGEST}`,
        `registry.example.com:443/fence/checkpoints@${DIGEST}`,
        `mirror.example.net/fence/checkpoints@${DIGEST}`,
      ];
      for (const image of names) {
        const named = { name: "named", image };
        for (const more of [
          { containers: [container, named] },
          { initContainers: [named] },
          ...(imageVolumes ? [{ volumes: [{ name: "memory", image: { reference: image } }] }] : []),
        ])
          expect([image, await denied(() => post(pod("fence", at, more)))]).toEqual([
            image,
            rejected("are checkpoints, which no pod may name"),
          ]);
      }
      for (const image of [
        `${REPOSITORY}-2:1`,
        "registry.example.com/other/fence/checkpoints:1",
        "checkpoints:1",
      ])
        expect([image, await post(pod("fence", at, { containers: [{ ...container, image }] }))]).toEqual([
          image,
          "allowed",
        ]);
    });
  });

  test("no update of a pod names a checkpoint as an image, and other updates are possible", async () => {
    const path = `/api/v1/namespaces/${TEAM}/pods/web`;
    const image = `${REPOSITORY}@${DIGEST}`;
    expect(
      await patch(path, [{ op: "replace", path: "/spec/containers/0/image", value: image }], JSON_PATCH),
    ).toEqual(rejected("are checkpoints"));
    const ephemeralContainers = [{ name: "debug", image }];
    expect(await patch(`${path}/ephemeralcontainers`, { spec: { ephemeralContainers } }, STRATEGIC)).toEqual(
      rejected("are checkpoints"),
    );
    expect(await patch(path, { metadata: { labels: { a: "b" } } }, MERGE)).toBe("allowed");
  });
});
