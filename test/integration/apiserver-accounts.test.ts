/**
 * What the accounts of the install may do on a real API server. Needs what apiserver.test.ts needs.
 */
import { ApiServer, eventually, type KubernetesObject, type Right } from "./support/apiserver";
import { config, definitions, find, objects, prepare, put } from "./support/apiserver-install";
import { rights } from "./support/apiserver-rights";

const user = (name: string, home = "cedana-system") => `system:serviceaccount:${home}:${name}`;
const MANAGER = user("cedana-controller-manager");
const ATTACH = user("cedana-attach");
const DYNAMO = user("cedana-dynamo-watcher");
const AGENT = user("cedana-agent");

(config === undefined ? describe.skip : describe)("Accounts of the install", () => {
  let api: ApiServer;

  beforeAll(async () => {
    api = new ApiServer(config ?? "");
    await prepare(api);
    for (const object of objects) await put(api, object);
  });

  afterAll(() => api.close());

  describe("rights", () => {
    const ask = async (account: string, lines: readonly string[]): Promise<string[]> => {
      const answers = await Promise.all(
        lines.flatMap((line) =>
          rights(line).map(async (right) =>
            (await api.may(account, right)) ? describeRight(line, right) : "",
          ),
        ),
      );
      return answers.filter((answer) => answer !== "");
    };
    const describeRight = (line: string, right: Right) => `${right.verb} ${line.replace(/^\S+ /, "")}`;
    const all = (lines: readonly string[]) =>
      lines.flatMap((line) => rights(line).map((right) => describeRight(line, right)));

    const READS = ["namespaces", "pods", "persistentvolumes", "persistentvolumeclaims"];
    const MANAGER_MUST = [
      "get,list,watch,patch nodes",
      ...READS.map((resource) => `get,list,watch ${resource}`),
      ...["deployments", "daemonsets", "statefulsets"].map((resource) => `get,list,watch apps/${resource}`),
      "get,list,watch batch/jobs",
      "create,patch events",
      "create,patch events.k8s.io/events",
      ...["default", "team-a"].flatMap((home) => [
        `create,update,patch,delete pods in ${home}`,
        `create,delete batch/jobs in ${home}`,
        `create persistentvolumeclaims in ${home}`,
      ]),
      "create,get,update,patch coordination.k8s.io/leases in cedana-system",
      "create authentication.k8s.io/tokenreviews",
      "create authorization.k8s.io/subjectaccessreviews",
      ...(definitions
        ? ["workloads", "localqueues", "clusterqueues", "resourceflavors"].map(
            (resource) => `get,list,watch kueue.x-k8s.io/${resource}`,
          )
        : []),
    ];
    const MANAGER_MUST_NOT = [
      "update,delete,create nodes",
      "patch,update,delete,create namespaces",
      "patch,update,delete,create persistentvolumes",
      "create,update,patch,delete,deletecollection pods in kube-system",
      "create,update,patch,delete pods in cedana-system",
      "create,update,patch,delete pods",
      "deletecollection pods in default",
      "create pods:exec in default",
      "create batch/jobs in kube-system",
      "patch,update,delete apps/deployments in default",
      "update,patch,delete persistentvolumeclaims in default",
      "get,list,watch,create secrets in cedana-system",
      "get,list secrets in default",
      "get,list,create,update configmaps in cedana-system",
      "delete,list coordination.k8s.io/leases in cedana-system",
      "get,create,update coordination.k8s.io/leases in kube-system",
      "create serviceaccounts:token in cedana-system",
      "create,bind,escalate,update rbac.authorization.k8s.io/clusterroles",
      "create rbac.authorization.k8s.io/clusterrolebindings",
      "impersonate users",
      "get nodes:proxy",
      "create,update kueue.x-k8s.io/workloads in team-a",
    ];

    test("the manager can do what it must", async () => {
      await eventually(
        20,
        "the authorizer knows the roles",
        async () => (await ask(MANAGER, ["patch nodes"])).length === 1,
      );
      expect(await ask(MANAGER, MANAGER_MUST)).toEqual(all(MANAGER_MUST));
    });

    test("the manager can do nothing else", async () => {
      expect(await ask(MANAGER, MANAGER_MUST_NOT)).toEqual([]);
    });

    test("the table above holds every right that the install gives the manager", async () => {
      const given = rolesOf("cedana-controller-manager").flatMap(({ home, rules }) =>
        rules.flatMap(({ apiGroups = [], resources = [], verbs = [] }) =>
          apiGroups.flatMap((group) =>
            resources.flatMap((resource) =>
              verbs.map((verb) => JSON.stringify({ verb, group, resource, home })),
            ),
          ),
        ),
      );
      const told = MANAGER_MUST.flatMap(rights).map((right) => {
        const { verb, group, resource, namespace } = right as Exclude<Right, { path: string }>;
        return JSON.stringify({ verb, group, resource, home: namespace });
      });
      expect(new Set(given)).toEqual(new Set(told));
    });

    interface Rule {
      apiGroups?: string[];
      resources?: string[];
      verbs?: string[];
    }

    function rolesOf(account: string): { home?: string; role: KubernetesObject; rules: Rule[] }[] {
      return objects.flatMap((binding) => {
        const { roleRef, subjects = [] } = binding as unknown as {
          roleRef?: { kind: string; name: string };
          subjects?: { name: string }[];
        };
        if (!roleRef || !subjects.some(({ name }) => name === account)) return [];
        const home = binding.metadata.namespace;
        return objects
          .filter(
            ({ kind, metadata }) =>
              kind === roleRef.kind && metadata.name === roleRef.name && metadata.namespace === home,
          )
          .map((role) => ({ ...(home === undefined ? {} : { home }), role, rules: role["rules"] as Rule[] }));
      });
    }

    test("removing any rule takes something away from the manager", async () => {
      const roles = rolesOf("cedana-controller-manager");
      expect(roles.length).toBeGreaterThanOrEqual(5);
      for (const { role, rules } of roles) {
        for (const [index] of rules.entries()) {
          await put(api, { ...role, rules: rules.toSpliced(index, 1) });
          await eventually(20, `rule ${index} of ${role.metadata.name} is missed`, async () => {
            return (await ask(MANAGER, MANAGER_MUST)).length < all(MANAGER_MUST).length;
          });
        }
        await put(api, role);
        await eventually(20, `${role.metadata.name} is back`, async () => {
          return (await ask(MANAGER, MANAGER_MUST)).length === all(MANAGER_MUST).length;
        });
      }
    });

    test("the Dynamo watcher can do its work in its namespaces and nowhere else", async () => {
      const must = [
        "get,list,watch,create,update,patch,delete nvidia.com/dynamographdeployments in team-a",
        "get,list,watch,create,update,patch,delete nvidia.com/dynamoworkermetadatas in team-a",
        "get,list,watch,create,delete pods in team-a",
        "get,list,watch services in team-a",
        "get,list,watch,create persistentvolumeclaims in team-a",
      ];
      expect(await ask(DYNAMO, must)).toEqual(all(must));
      const never = [
        "get,create,delete pods in default",
        "create,update,patch,delete services in team-a",
        "get,list nvidia.com/dynamographdeployments in default",
        "get,list secrets in team-a",
        "get,list nodes",
      ];
      expect(await ask(DYNAMO, never)).toEqual([]);
    });

    test("the agent's account can do nothing", async () => {
      const never = ["get,list nodes", "get,list pods in cedana-system", "get secrets in cedana-system"];
      expect(await ask(AGENT, never)).toEqual([]);
    });

    test("Prometheus may read the metrics, the manager and others may not", async () => {
      const metrics = { verb: "get", path: "/metrics" };
      expect(await api.may(user("prometheus", "monitoring"), metrics)).toBe(true);
      expect(await api.may(user("default", "monitoring"), metrics)).toBe(false);
      expect(await api.may(AGENT, metrics)).toBe(false);
    });

    test("the attach account cannot read Secrets, nor touch what is not of the install", async () => {
      const never = [
        "get,list,watch secrets in cedana-system",
        "get,list,create secrets in default",
        "create apps/daemonsets in default",
        "create apps/deployments in kube-system",
        "create rbac.authorization.k8s.io/rolebindings in kube-system",
        "update,patch,delete rbac.authorization.k8s.io/clusterroles named cluster-admin",
        "escalate,bind rbac.authorization.k8s.io/clusterroles",
        "update,delete apiextensions.k8s.io/customresourcedefinitions named nodepools.karpenter.sh",
        "delete namespaces named cedana-system",
        "create namespaces",
        "create serviceaccounts:token in cedana-system",
        "impersonate users",
        "delete nodes",
      ];
      expect(await ask(ATTACH, never)).toEqual([]);
    });
  });

  describe("attach account", () => {
    const own = (object: KubernetesObject) => object.metadata.labels?.["app.kubernetes.io/component"];
    const installed = objects.filter((object) => !["attach", "kueue"].includes(own(object) ?? ""));

    test("it can take out and put in the whole install", async () => {
      for (const object of installed.toReversed()) {
        if (object.kind === "Namespace") continue;
        const { status, body } = await api.delete(object, { as: ATTACH });
        expect([object.kind, object.metadata.name, status, body["message"]]).toEqual([
          object.kind,
          object.metadata.name,
          200,
          undefined,
        ]);
      }
      await eventually(60, "the objects are gone", async () => {
        const path = await api.pathOf(find("DaemonSet/cedana-helper"));
        return (await api.request("GET", path)).status === 404;
      });
      for (const object of installed) {
        // A definition or a workload of the same name may still be going.
        await eventually(30, `${object.kind}/${object.metadata.name} can be put in`, async () => {
          const { status, body } = await api.apply(object, { as: ATTACH });
          if (status === 403) throw new Error(JSON.stringify(body));
          return status < 300;
        });
      }
      expect(installed.length).toBeGreaterThan(25);
    });

    test("it cannot give more than it has", async () => {
      const binding = {
        apiVersion: "rbac.authorization.k8s.io/v1",
        kind: "ClusterRoleBinding",
        metadata: { name: "cedana-manager-role" },
        roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "cluster-admin" },
        subjects: [{ kind: "ServiceAccount", name: "cedana-attach", namespace: "cedana-system" }],
      };
      const other = { ...binding, metadata: { name: "mine" } };
      const role = find("ClusterRole/cedana-manager-role");
      const wider = {
        ...role,
        rules: [...(role["rules"] as object[]), { apiGroups: [""], resources: ["secrets"], verbs: ["get"] }],
      };
      for (const object of [binding, other, wider]) {
        expect(await api.apply(object, { as: ATTACH })).toMatchObject({ status: 403 });
      }
    });

    test("only those who were named get a token of it, which ends", async () => {
      const token = (as: string, account: string) =>
        api.request<{ status?: { expirationTimestamp?: string; token?: string } }>(
          "POST",
          `/api/v1/namespaces/cedana-system/serviceaccounts/${account}/token`,
          {
            apiVersion: "authentication.k8s.io/v1",
            kind: "TokenRequest",
            spec: { expirationSeconds: 3600 },
          },
          { as },
        );
      const given = await token("platform-engineer", "cedana-attach");
      expect(given.status).toBe(201);
      const seconds = (Date.parse(given.body.status?.expirationTimestamp ?? "") - Date.now()) / 1000;
      expect(seconds).toBeGreaterThan(3000);
      expect(seconds).toBeLessThanOrEqual(3700);
      expect((await token("somebody", "cedana-attach")).status).toBe(403);
      expect((await token("platform-engineer", "cedana-controller-manager")).status).toBe(403);
      expect((await token(ATTACH, "cedana-attach")).status).toBe(403);
    });
  });
});
