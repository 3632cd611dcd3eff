/**
 * Permissions of the install's ServiceAccounts on a real API server. Needs the same as apiserver.test.ts.
 */
import {
  ApiServer,
  eventually,
  type KubernetesObject,
  type Permission,
} from "../../testbed/cluster/apiserver";
import { config, crdDirectory, find, objects, prepare, apply } from "./support/apiserver-install";
import { permissions } from "./support/permissions";

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
    for (const object of objects) await apply(api, object);
  });

  afterAll(() => api.close());

  describe("permissions", () => {
    const allowed = async (account: string, lines: readonly string[]): Promise<string[]> => {
      const results = await Promise.all(
        lines.flatMap((line) =>
          permissions(line).map(async (permission) =>
            (await api.isAllowed(account, permission)) ? describePermission(line, permission) : "",
          ),
        ),
      );
      return results.filter((result) => result !== "");
    };
    const describePermission = (line: string, permission: Permission) =>
      `${permission.verb} ${line.replace(/^\S+ /, "")}`;
    const all = (lines: readonly string[]) =>
      lines.flatMap((line) => permissions(line).map((permission) => describePermission(line, permission)));

    const READS = ["namespaces", "pods", "persistentvolumes", "persistentvolumeclaims"];
    const MANAGER_ALLOWED = [
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
      ...(crdDirectory
        ? ["workloads", "localqueues", "clusterqueues", "resourceflavors"].map(
            (resource) => `get,list,watch kueue.x-k8s.io/${resource}`,
          )
        : []),
    ];
    const MANAGER_DENIED = [
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

    test("the manager has the permissions that it needs", async () => {
      await eventually(
        20,
        "the authorizer has the roles",
        async () => (await allowed(MANAGER, ["patch nodes"])).length === 1,
      );
      expect(await allowed(MANAGER, MANAGER_ALLOWED)).toEqual(all(MANAGER_ALLOWED));
    });

    test("the manager has no other permissions", async () => {
      expect(await allowed(MANAGER, MANAGER_DENIED)).toEqual([]);
    });

    test("the table above has every permission of the manager's roles", async () => {
      const inRoles = rolesOf("cedana-controller-manager").flatMap(({ home, rules }) =>
        rules.flatMap(({ apiGroups = [], resources = [], verbs = [] }) =>
          apiGroups.flatMap((group) =>
            resources.flatMap((resource) =>
              verbs.map((verb) => JSON.stringify({ verb, group, resource, home })),
            ),
          ),
        ),
      );
      const inTable = MANAGER_ALLOWED.flatMap(permissions).map((permission) => {
        const { verb, group, resource, namespace } = permission as Exclude<Permission, { path: string }>;
        return JSON.stringify({ verb, group, resource, home: namespace });
      });
      expect(new Set(inRoles)).toEqual(new Set(inTable));
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

    test("each rule of the manager's roles is necessary", async () => {
      const roles = rolesOf("cedana-controller-manager");
      expect(roles.length).toBeGreaterThanOrEqual(5);
      for (const { role, rules } of roles) {
        for (const [index] of rules.entries()) {
          await apply(api, { ...role, rules: rules.toSpliced(index, 1) });
          await eventually(20, `rule ${index} of ${role.metadata.name} is missing`, async () => {
            return (await allowed(MANAGER, MANAGER_ALLOWED)).length < all(MANAGER_ALLOWED).length;
          });
        }
        await apply(api, role);
        await eventually(20, `${role.metadata.name} is back`, async () => {
          return (await allowed(MANAGER, MANAGER_ALLOWED)).length === all(MANAGER_ALLOWED).length;
        });
      }
    });

    test("the Dynamo watcher has permissions in its namespaces only", async () => {
      const needed = [
        "get,list,watch,create,update,patch,delete nvidia.com/dynamographdeployments in team-a",
        "get,list,watch,create,update,patch,delete nvidia.com/dynamoworkermetadatas in team-a",
        "get,list,watch,create,delete pods in team-a",
        "get,list,watch services in team-a",
        "get,list,watch,create persistentvolumeclaims in team-a",
      ];
      expect(await allowed(DYNAMO, needed)).toEqual(all(needed));
      const denied = [
        "get,create,delete pods in default",
        "create,update,patch,delete services in team-a",
        "get,list nvidia.com/dynamographdeployments in default",
        "get,list secrets in team-a",
        "get,list nodes",
      ];
      expect(await allowed(DYNAMO, denied)).toEqual([]);
    });

    test("the agent's account has no permissions", async () => {
      const denied = ["get,list nodes", "get,list pods in cedana-system", "get secrets in cedana-system"];
      expect(await allowed(AGENT, denied)).toEqual([]);
    });

    test("only Prometheus can read the metrics", async () => {
      const metrics = { verb: "get", path: "/metrics" };
      expect(await api.isAllowed(user("prometheus", "monitoring"), metrics)).toBe(true);
      expect(await api.isAllowed(user("default", "monitoring"), metrics)).toBe(false);
      expect(await api.isAllowed(AGENT, metrics)).toBe(false);
    });

    test("the attach account can neither read Secrets nor change objects outside of the install", async () => {
      const denied = [
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
      expect(await allowed(ATTACH, denied)).toEqual([]);
    });
  });

  describe("attach account", () => {
    const component = (object: KubernetesObject) => object.metadata.labels?.["app.kubernetes.io/component"];
    const installed = objects.filter(
      (object) =>
        !["attach", "kueue"].includes(component(object) ?? "") &&
        !object.kind.startsWith("ValidatingAdmissionPolicy"),
    );
    const isCrd = ({ kind }: KubernetesObject) => kind === "CustomResourceDefinition";

    test("it can neither remove the admission policies nor the CRDs that they keep", async () => {
      const kept = objects.filter(
        (object) => isCrd(object) || object.kind.startsWith("ValidatingAdmissionPolicy"),
      );
      expect(kept.length).toBeGreaterThan(3);
      for (const object of kept)
        expect([object.kind, await api.delete(object, { as: ATTACH })]).toMatchObject([
          object.kind,
          {
            status: 403,
            body: { message: expect.stringContaining(isCrd(object) ? "would delete all" : "cannot delete") },
          },
        ]);
    });

    test("it can uninstall and reinstall everything else", async () => {
      for (const object of installed.toReversed()) {
        if (object.kind === "Namespace" || isCrd(object)) continue;
        const { status, body } = await api.delete(object, { as: ATTACH });
        expect([object.kind, object.metadata.name, status, body["message"]]).toEqual([
          object.kind,
          object.metadata.name,
          200,
          undefined,
        ]);
      }
      await eventually(60, "the objects are deleted", async () => {
        const path = await api.pathOf(find("DaemonSet/cedana-helper"));
        return (await api.request("GET", path)).status === 404;
      });
      for (const object of installed) {
        // The deletion of a CRD or a workload of the same name may still be in progress.
        await eventually(30, `${object.kind}/${object.metadata.name} can be created`, async () => {
          const { status, body } = await api.apply(object, { as: ATTACH });
          if (status === 403) throw new Error(JSON.stringify(body));
          return status < 300;
        });
      }
      expect(installed.length).toBeGreaterThan(25);
    });

    test("it cannot grant more permissions than it has", async () => {
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

    test("only the named users get a token of it, which expires", async () => {
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
      const response = await token("platform-engineer", "cedana-attach");
      expect(response.status).toBe(201);
      const seconds = (Date.parse(response.body.status?.expirationTimestamp ?? "") - Date.now()) / 1000;
      expect(seconds).toBeGreaterThan(3000);
      expect(seconds).toBeLessThanOrEqual(3700);
      expect((await token("another-user", "cedana-attach")).status).toBe(403);
      expect((await token("platform-engineer", "cedana-controller-manager")).status).toBe(403);
      expect((await token(ATTACH, "cedana-attach")).status).toBe(403);
    });
  });
});
