/**
 * Permissions of the controller's ServiceAccount on a real API server: those of its requests, and no others. Each verb is
 * necessary. Needs the same as apiserver.test.ts.
 */
import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readControllerSettings } from "../../config/programs/controller";
import {
  ApiServer,
  eventually,
  type KubernetesObject,
  type Permission,
} from "../../testbed/cluster/apiserver";
import { permissions } from "./support/permissions";
import {
  controllerKubeconfig,
  ACCOUNT,
  AGENTS,
  installObjects,
  NAMESPACE,
  applyInstall,
  deleteInstall,
  TAINT,
  TEAM,
} from "./support/controller/install";
import { ControllerProcess } from "../../testbed/cluster/process";
import { config, apply } from "./support/apiserver-install";

const LEASES = "coordination.k8s.io/leases";
/** Requests of the controller, by the file that sends them. */
const REQUESTS: Readonly<Record<string, readonly string[]>> = {
  "runtime/lease-claim": [
    `create ${LEASES} in ${NAMESPACE}`,
    `get,update ${LEASES} named guard-controller in ${NAMESPACE}`,
  ],
  "readiness/sources": [
    "list,watch nodes",
    `list,watch pods in ${AGENTS}`,
    `list,watch apps/daemonsets in ${AGENTS}`,
  ],
  "readiness/taint-writer": ["get,patch nodes"],
  "readiness/condition-writer": ["patch nodes:status", "create,patch events.k8s.io/events in default"],
  "the policies of the install": ["identify automation.cedana.ai/programs named guard.controller"],
  "the policies of other installs": ["identify automation.cedana.ai/programs named controller.any-install"],
  checkpoints: [
    `get,list,watch,create,patch automation.cedana.ai/checkpoints in ${TEAM}`,
    `patch automation.cedana.ai/checkpoints:status in ${TEAM}`,
    `get,list,watch,patch core.cedana.ai/cedanas in ${TEAM}`,
    `patch core.cedana.ai/cedanas:status in ${TEAM}`,
    `get pods in ${TEAM}`,
    `create,patch events.k8s.io/events in ${TEAM}`,
  ],
};
const NEEDED = Object.values(REQUESTS).flat();
const DENIED = [
  "create,update,delete nodes",
  "update,delete nodes:status",
  "get,list,watch,create,delete pods in default",
  `create,patch,delete pods in ${AGENTS}`,
  `list,watch,create,patch,delete pods in ${TEAM}`,
  `create pods:exec in ${TEAM}`,
  `patch,delete apps/daemonsets in ${AGENTS}`,
  `update,delete automation.cedana.ai/checkpoints in ${TEAM}`,
  "list,watch,create automation.cedana.ai/checkpoints in default",
  `create,delete core.cedana.ai/cedanas in ${TEAM}`,
  `list,watch,patch,delete ${LEASES} in ${NAMESPACE}`,
  `get,update ${LEASES} named another in ${NAMESPACE}`,
  `create ${LEASES} in kube-system`,
  ...["default", NAMESPACE, AGENTS, TEAM].flatMap((home) => [
    `get,list,create secrets in ${home}`,
    `get,list configmaps in ${home}`,
    `create serviceaccounts:token in ${home}`,
  ]),
  "create,bind,escalate rbac.authorization.k8s.io/clusterroles",
  "impersonate users",
  "get nodes:proxy",
];

(config === undefined ? describe.skip : describe)("Account of the controller", () => {
  let api: ApiServer;
  const objects = installObjects({ readinessGate: { taint: { key: TAINT } } });
  const format = (permission: Permission) => JSON.stringify(permission);

  beforeAll(async () => {
    api = new ApiServer(config ?? "");
    await applyInstall(api, objects);
  });

  afterAll(async () => {
    await deleteInstall(api, objects);
    api.close();
  });

  const allowed = async (lines: readonly string[]): Promise<string[]> => {
    const all = lines.flatMap(permissions);
    const results = await Promise.all(all.map((permission) => api.isAllowed(ACCOUNT, permission)));
    return all.filter((_, index) => results[index]).map(format);
  };
  const all = NEEDED.flatMap(permissions).map(format);

  test("the account has the permissions that it needs", async () => {
    await eventually(
      20,
      "the authorizer has the roles",
      async () => (await allowed(["patch nodes"])).length > 0,
    );
    expect(await allowed(NEEDED)).toEqual(all);
  });

  test("the account has no other permissions", async () => {
    expect(await allowed(DENIED)).toEqual([]);
  });

  interface Rule {
    readonly apiGroups: string[];
    readonly resources: string[];
    readonly resourceNames?: string[];
    readonly verbs: string[];
  }
  type Role = KubernetesObject & { readonly rules: Rule[] };
  const roles = objects.filter(
    ({ kind, metadata }) =>
      kind.endsWith("Role") &&
      metadata.name.startsWith("guard-controller") &&
      !metadata.name.endsWith("-manager"),
  ) as Role[];

  test("the roles have no permission outside of the table", () => {
    const inRoles = roles.flatMap(({ metadata: { namespace }, rules }) =>
      rules.flatMap(({ apiGroups, resources, resourceNames = [undefined], verbs }) =>
        apiGroups.flatMap((group) =>
          resources.flatMap((what) =>
            resourceNames.flatMap((name) =>
              verbs.map((verb) => {
                const [resource = "", subresource] = what.split("/");
                return format({
                  verb,
                  group,
                  resource,
                  ...(subresource === undefined ? {} : { subresource }),
                  ...(name === undefined ? {} : { name }),
                  ...(namespace === undefined ? {} : { namespace }),
                });
              }),
            ),
          ),
        ),
      ),
    );
    expect(new Set(inRoles)).toEqual(new Set(all));
  });

  const verbs = roles.flatMap((role) =>
    role.rules.flatMap((rule, index) =>
      rule.verbs.map(
        (verb) =>
          [`${verb} ${rule.resources.join()} of ${role.metadata.name}`, { role, rule, index, verb }] as const,
      ),
    ),
  );

  test.each(verbs)("without %s a needed permission is missing", async (_, { role, rule, index, verb }) => {
    const reduced = { ...rule, verbs: rule.verbs.filter((other) => other !== verb) };
    const rules = reduced.verbs.length > 0 ? role.rules.with(index, reduced) : role.rules.toSpliced(index, 1);
    await apply(api, { ...role, rules });
    let missing: string[] = [];
    await eventually(20, "the permission is missing", async () => {
      const left = await allowed(NEEDED);
      missing = all.filter((permission) => !left.includes(permission));
      return missing.length > 0;
    });
    // A rule can have several names.
    expect(missing).toEqual(missing.map(() => expect.stringContaining(`{"verb":"${verb}"`)));
    await apply(api, role);
    await eventually(
      20,
      "the permission is restored",
      async () => (await allowed(NEEDED)).length === all.length,
    );
  });

  test("the program with a token of the account ungates a node, and no request is forbidden", async () => {
    const folder = mkdtempSync(join(tmpdir(), "cedana-rbac-"));
    const map = objects.find(({ metadata }) => metadata.name === "guard-controller-settings");
    const { data } = map as unknown as { data: Record<string, string> };
    const settings = readControllerSettings(data["settings.json"] ?? "");
    if (settings.problems) throw new Error("the settings cannot be read");
    const { body } = await api.request<{ items: Node[] }>(
      "GET",
      "/api/v1/nodes?labelSelector=cedana.ai/enabled=true",
    );
    const [node] = body.items;
    const path = `/api/v1/nodes/${node?.metadata.name}`;
    const read = async () => (await api.request<Node>("GET", path)).body;
    const taints = [...(node?.spec.taints ?? []), { key: TAINT, value: "true", effect: "NoSchedule" }];
    const patch = [{ op: "add", path: "/spec/taints", value: taints }];
    await api.request("PATCH", path, patch, { contentType: "application/json-patch+json" });

    const kubeconfig = await controllerKubeconfig(api, config ?? "", folder);
    const program = new ControllerProcess({
      kubeconfig,
      settings: settings.value,
      replica: "guard-0",
      folder,
    });
    try {
      await eventually(60, "the taint is removed and the condition True", async () => {
        const { spec, status } = await read();
        const ready = status.conditions.find(({ type }) => type === "CedanaReady");
        return !spec.taints?.some(({ key }) => key === TAINT) && ready?.status === "True";
      });
    } finally {
      await program.stop();
    }
    const log = readFileSync(program.log, "utf8");
    expect(log).toContain('"operation":"remove"');
    expect(log).not.toMatch(/forbidden/i);
  });
});

interface Node extends KubernetesObject {
  readonly spec: { readonly taints?: readonly { readonly key: string }[] };
  readonly status: { readonly conditions: readonly { readonly type: string; readonly status: string }[] };
}
