/**
 * The install with the engine criu on a real API server: every object is accepted, each ServiceAccount has the permissions
 * that it needs and no others, and an agent can only write the status of its own node, which RBAC cannot express. Needs
 * CEDANA_INTEGRATION_KUBECONFIG, with two nodes with the label cedana.ai/enabled=true.
 */
import { Testing } from "cdk8s";
import { CedanaChart } from "../../stacks/kubernetes";
import { ApiServer, eventually, kubeconfig, type KubernetesObject } from "../../testbed/cluster/apiserver";
import { permissions } from "./support/permissions";

const config = kubeconfig();
const NAMESPACE = "criu-install";
const UID = "0b8f5b0e-6d0c-4b52-9f3e-3f3c8e1f7a10";
const AGENT = `system:serviceaccount:${NAMESPACE}:open-agent`;
const HEALTH_CHECK = `system:serviceaccount:${NAMESPACE}:open-health-check`;
const CONTROLLER = `system:serviceaccount:${NAMESPACE}:open-controller`;

const image = (name: string) => ({ repository: `registry.example.com/${name}`, tag: "0.1.0" });
const objects = new CedanaChart(Testing.app(), "open", {
  engine: {
    kind: "criu",
    image: image("agent"),
    repository: "registry.example.com/checkpoints",
    registryCredentials: { name: "push" },
  },
  install: { name: "open", namespace: NAMESPACE, controller: { image: image("controller") } },
}).toJson() as KubernetesObject[];

interface Pod extends KubernetesObject {
  readonly metadata: KubernetesObject["metadata"] & { readonly uid: string };
  readonly spec: { readonly nodeName?: string };
}

(config === undefined ? describe.skip : describe)("Install with the engine criu", () => {
  let api: ApiServer;
  beforeAll(() => {
    api = new ApiServer(config ?? "");
  });
  afterAll(async () => {
    for (const object of objects.toReversed()) {
      if (object.kind !== "CustomResourceDefinition") await api.delete(object);
    }
    api.close();
  });

  const put = async (object: KubernetesObject) => {
    const { status, body } = await api.apply(object);
    expect([object.kind, object.metadata.name, status < 300 || body]).toEqual([
      object.kind,
      object.metadata.name,
      true,
    ]);
    return body;
  };

  test("accepts every object with strict field validation", async () => {
    for (const object of objects) await put(object);
    expect(objects.length).toBeGreaterThan(30);
  });

  test("a second apply changes nothing", async () => {
    for (const object of objects) {
      const path = await api.pathOf(object);
      const before = (await api.request<KubernetesObject>("GET", path)).body;
      const after = await put(object);
      const generation = ({ metadata }: KubernetesObject) =>
        (metadata as { generation?: number }).generation ?? metadata.resourceVersion;
      expect([object.kind, object.metadata.name, generation(after)]).toEqual([
        object.kind,
        object.metadata.name,
        generation(before),
      ]);
    }
  });

  test.each([
    [AGENT, `get,list,watch automation.cedana.ai/nodecheckpoints in ${NAMESPACE}`],
    [AGENT, `patch automation.cedana.ai/nodecheckpoints:status in ${NAMESPACE}`],
    [AGENT, `get,list,watch automation.cedana.ai/noderestores in ${NAMESPACE}`],
    [AGENT, `patch automation.cedana.ai/noderestores:status in ${NAMESPACE}`],
    [HEALTH_CHECK, "get nodes"],
    [HEALTH_CHECK, `patch pods:status in ${NAMESPACE}`],
    [CONTROLLER, `get,list,watch,create,delete automation.cedana.ai/nodecheckpoints in ${NAMESPACE}`],
    [CONTROLLER, `get,list,watch,create,delete automation.cedana.ai/noderestores in ${NAMESPACE}`],
  ])("%s has the permission %s", async (user, line) => {
    for (const permission of permissions(line))
      expect([line, await api.isAllowed(user, permission)]).toEqual([line, true]);
  });

  test.each([
    [AGENT, "get,create nodes:proxy"],
    [AGENT, "create nodes:checkpoint"],
    [AGENT, "get,list,patch,update nodes"],
    [AGENT, "get,list pods"],
    [AGENT, `get,list,create pods in ${NAMESPACE}`],
    [AGENT, `get,list secrets in ${NAMESPACE}`],
    [AGENT, `create,delete,patch,update automation.cedana.ai/nodecheckpoints in ${NAMESPACE}`],
    [AGENT, `create,delete,patch,update automation.cedana.ai/noderestores in ${NAMESPACE}`],
    [AGENT, "get,list automation.cedana.ai/checkpoints in default"],
    [HEALTH_CHECK, "create nodes:checkpoint"],
    [HEALTH_CHECK, "list,patch,update nodes"],
    [HEALTH_CHECK, "patch nodes:status"],
    [HEALTH_CHECK, `get,list,patch,delete,create pods in ${NAMESPACE}`],
    [HEALTH_CHECK, "patch pods:status in default"],
    [HEALTH_CHECK, `get secrets in ${NAMESPACE}`],
    [CONTROLLER, "create nodes:checkpoint"],
    [CONTROLLER, `patch automation.cedana.ai/nodecheckpoints:status in ${NAMESPACE}`],
    [CONTROLLER, `patch automation.cedana.ai/noderestores:status in ${NAMESPACE}`],
  ])("%s does not have the permission %s", async (user, line) => {
    for (const permission of permissions(line))
      expect([line, await api.isAllowed(user, permission)]).toEqual([line, false]);
  });

  describe("an agent's own node", () => {
    const PODS = `/api/v1/namespaces/${NAMESPACE}/pods`;
    const API = `/apis/automation.cedana.ai/v1alpha1/namespaces/${NAMESPACE}`;
    const CHECKPOINTS = `${API}/nodecheckpoints`;
    const RESTORES = `${API}/noderestores`;
    const MERGE = { contentType: "application/merge-patch+json" };
    const pods: Record<string, Pod[]> = {};

    beforeAll(async () => {
      for (const component of ["helper", "health-check"]) {
        await eventually(60, `two pods of the ${component} have nodes`, async () => {
          const query = `?labelSelector=app.kubernetes.io/component%3D${component}`;
          const { body } = await api.request<{ items: Pod[] }>("GET", PODS + query);
          pods[component] = body.items.filter(({ spec }) => spec.nodeName);
          return pods[component].length >= 2;
        });
      }
      for (const { spec } of pods["helper"]!.slice(0, 2)) {
        const common = {
          nodeName: spec.nodeName,
          podRef: { namespace: "default", name: "web-0", uid: UID },
          timeoutSeconds: 60,
        };
        await create(CHECKPOINTS, "NodeCheckpoint", `of-${spec.nodeName}`, {
          ...common,
          containerNames: ["app"],
          image: "registry.example.com/checkpoints:1",
        });
        await create(RESTORES, "NodeRestore", `of-${spec.nodeName}`, {
          ...common,
          checkpointUID: UID,
          image: `registry.example.com/checkpoints@sha256:${"0".repeat(64)}`,
          fallback: "fresh",
          restart: "fresh",
          lazy: false,
        });
      }
    });

    async function create(path: string, kind: string, name: string, spec: object): Promise<void> {
      const { status, body } = await api.request("POST", path, {
        apiVersion: "automation.cedana.ai/v1alpha1",
        kind,
        metadata: { name },
        spec,
      });
      if (status !== 201) throw new Error(JSON.stringify(body));
    }

    /** Returns a token bound to a pod, as the kubelet requests it, or an unbound token. */
    async function tokenOf(account: string, pod?: Pod): Promise<string> {
      const { status, body } = await api.request<{ status: { token: string } }>(
        "POST",
        `/api/v1/namespaces/${NAMESPACE}/serviceaccounts/${account}/token`,
        {
          apiVersion: "authentication.k8s.io/v1",
          kind: "TokenRequest",
          spec: {
            expirationSeconds: 600,
            ...(pod && {
              boundObjectRef: {
                apiVersion: "v1",
                kind: "Pod",
                name: pod.metadata.name,
                uid: pod.metadata.uid,
              },
            }),
          },
        },
      );
      expect([status, body]).toMatchObject([201, {}]);
      return body.status.token;
    }

    const write = (token: string, node: string | undefined, collection = CHECKPOINTS) =>
      api.request(
        "PATCH",
        `${collection}/of-${node}/status`,
        { status: { startTime: new Date().toISOString() } },
        { ...MERGE, token },
      );
    const report = (token: string, pod: Pod | undefined) =>
      api.request(
        "PATCH",
        `${PODS}/${pod?.metadata.name}/status`,
        {
          status: {
            conditions: [{ type: "cedana.ai/node-can-checkpoint", status: "True", reason: "Checked" }],
          },
        },
        { contentType: "application/strategic-merge-patch+json", token },
      );

    test.each([CHECKPOINTS, RESTORES])(
      "the helper writes objects of its own node only: %s",
      async (collection) => {
        const [own, other] = pods["helper"]!;
        const token = await tokenOf("open-agent", own);
        await eventually(30, "the policy is enforced", async () => {
          return (await write(token, other?.spec.nodeName, collection)).status === 403;
        });
        expect(await write(token, other?.spec.nodeName, collection)).toMatchObject({
          status: 403,
          body: {
            message: expect.stringContaining("that node's NodeCheckpoints and NodeRestores only") as string,
          },
        });
        expect(await write(token, own?.spec.nodeName, collection)).toMatchObject({ status: 200 });
      },
    );

    test("the health check writes the status of its own pod only", async () => {
      const [own, other] = pods["health-check"]!;
      const token = await tokenOf("open-health-check", own);
      await eventually(30, "the policy is enforced", async () => (await report(token, other)).status === 403);
      expect(await report(token, other)).toMatchObject({
        status: 403,
        body: { message: expect.stringContaining("its own pod only") as string },
      });
      expect(await report(token, own)).toMatchObject({ status: 200 });
    });

    test("an unbound token of the ServiceAccounts cannot write", async () => {
      const [pod] = pods["helper"]!;
      expect((await write(await tokenOf("open-agent"), pod?.spec.nodeName)).status).toBeGreaterThanOrEqual(
        400,
      );
      const [checking] = pods["health-check"]!;
      expect((await report(await tokenOf("open-health-check"), checking)).status).toBeGreaterThanOrEqual(400);
    });

    test("the policies do not apply to other users", async () => {
      const [pod] = pods["helper"]!;
      const body = { status: { startTime: new Date().toISOString() } };
      const path = `${CHECKPOINTS}/of-${pod?.spec.nodeName}/status`;
      expect(await api.request("PATCH", path, body, MERGE)).toMatchObject({ status: 200 });
    });
  });
});
