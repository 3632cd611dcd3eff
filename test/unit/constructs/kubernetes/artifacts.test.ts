/** Deletion of artifacts by the controller: nothing of it exists unless the install says so, and what it gets then. */
import type { CriuEngineSpec, InstallSpec } from "../../../../config";
import { checkPlatform } from "../../../../config/platform";
import { CONTROLLER, CRIU, ENGINE, synthCriu, type KubernetesObject } from "./support";

const ECR = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/checkpoints";
const namespaces = ["team-a"];
const deleting = (deleteArtifacts: object = {}): InstallSpec => ({
  checkpoints: { namespaces, deleteArtifacts },
});
const without = synthCriu({ checkpoints: { namespaces } });

/** Returns the objects that differ from an install that deletes no artifacts. */
function changes(install: InstallSpec, engine: Partial<CriuEngineSpec> = {}): readonly KubernetesObject[] {
  const before = new Set(
    synthCriu({ checkpoints: { namespaces } }, engine).map((one) => JSON.stringify(one)),
  );
  return synthCriu(install, engine).filter((one) => !before.has(JSON.stringify(one)));
}
const named = (objects: readonly KubernetesObject[]) =>
  objects.map(({ kind, metadata }) => `${kind} ${metadata.name}`);
const find = (objects: readonly KubernetesObject[], kind: string, name: string) =>
  objects.find((one) => one.kind === kind && one.metadata.name === name) as never;

test("by default, the controller has no credentials, permission or route for the registry", () => {
  expect(JSON.stringify(without)).not.toMatch(/cedana-controller-artifacts|cedana-registry/);
  const { spec } = find(without, "NetworkPolicy", "cedana-controller") as { spec: { egress: unknown[] } };
  expect(JSON.stringify(spec.egress)).not.toContain("169.254");
  const guard = find(without, "ValidatingAdmissionPolicy", "cedana-checkpoint-records") as { spec: object };
  expect(JSON.stringify(guard.spec)).toContain("finalizers.orValue([])) || false");
});

test("the controller changes the spec and the metadata of no Checkpoint, so it cannot let one be deleted with its artifact", () => {
  for (const objects of [without, synthCriu(deleting(), { repository: ECR })]) {
    const { spec } = find(objects, "ValidatingAdmissionPolicy", "cedana-checkpoint-records") as {
      spec: { validations: readonly { expression: string }[] };
    };
    const [rule, ...more] = spec.validations.filter(({ expression }) =>
      expression.includes("ownerReferences"),
    );
    expect(more).toEqual([]);
    expect(rule?.expression).toMatch(
      /^!variables\.isController \|\| request\.operation == 'CREATE' \|\| \(object\.\?spec == oldObject\.\?spec && /,
    );
  }
});

test("on ECR, adds permissions, the route to the identity, and no Secret", () => {
  const changed = changes(deleting(), { repository: ECR });
  expect(named(changed)).toEqual([
    "NetworkPolicy cedana-controller",
    "ConfigMap cedana-controller-settings",
    "ClusterRole cedana-controller-artifacts",
    "ClusterRoleBinding cedana-controller-artifacts",
    "ValidatingAdmissionPolicy cedana-checkpoint-records",
    "Deployment cedana-controller",
  ]);
  expect((find(changed, "ClusterRole", "cedana-controller-artifacts") as { rules: unknown }).rules).toEqual([
    {
      apiGroups: ["automation.cedana.ai"],
      resources: ["checkpoints"],
      verbs: ["get", "list", "watch", "patch"],
    },
    {
      apiGroups: [""],
      resources: ["namespaces"],
      resourceNames: ["kube-system", ...namespaces],
      verbs: ["get"],
    },
  ]);
  const { spec } = find(changed, "NetworkPolicy", "cedana-controller") as { spec: { egress: unknown[] } };
  expect(JSON.stringify(spec.egress)).toContain("169.254.170.23/32");
  const { data } = find(changed, "ConfigMap", "cedana-controller-settings") as {
    data: Record<string, string>;
  };
  const { checkpoints } = JSON.parse(data["settings.json"] ?? "") as { checkpoints: { artifacts: unknown } };
  expect(checkpoints.artifacts).toEqual({
    waitSeconds: 3600,
    orphans: "report",
    orphanHours: 24,
    registry: { credentials: "ecr" },
  });
});

test("with a Secret, mounts it in the controller only, and opens the port of the registry", () => {
  const install = deleting({ registryCredentials: { name: "deleter" }, orphans: "delete", orphanHours: 720 });
  const changed = changes(install, { repository: "registry.example.com:5000/checkpoints" });
  const { spec } = find(changed, "Deployment", "cedana-controller") as {
    spec: { template: { spec: { volumes: unknown[]; containers: { volumeMounts: unknown[] }[] } } };
  };
  expect(spec.template.spec.volumes).toContainEqual({
    name: "registry-credentials",
    secret: { secretName: "deleter", items: [{ key: ".dockerconfigjson", path: "config.json" }] },
  });
  expect(spec.template.spec.containers[0]?.volumeMounts).toContainEqual({
    name: "registry-credentials",
    mountPath: "/etc/cedana-registry",
    readOnly: true,
  });
  const network = find(changed, "NetworkPolicy", "cedana-controller") as { spec: { egress: unknown[] } };
  expect(network.spec.egress).toContainEqual({ ports: [{ port: 5000, protocol: "TCP" }] });
  expect(JSON.stringify(changed)).toContain("/etc/cedana-registry/config.json");
  expect(named(changed).some((name) => name.startsWith("DaemonSet"))).toBe(false);
});

const problems = (engine: object, install: InstallSpec) =>
  checkPlatform({ version: 1, engine, install: { ...CONTROLLER, ...install } }).problems.map(
    ({ code, path }) => `${code} ${path.join(".")}`,
  );

test("rejects it for an engine without a registry, a registry on the node, and policies without it", () => {
  const at = "install.checkpoints.deleteArtifacts";
  expect(problems(ENGINE, deleting())).toEqual([`engine-mismatch ${at}`]);
  expect(problems({ ...CRIU, repository: "localhost:5000/checkpoints" }, deleting())).toEqual([
    `registry-on-node ${at}`,
  ]);
});

test.each(["checkpoint", "checkpointThenDelete", "suspend"] as const)(
  "rejects deletionPolicy Delete of the action %s in an install that deletes none",
  (action) => {
    const trigger = { manual: {} };
    const policies: InstallSpec["policies"] = {
      actions: [action],
      checkpointPolicies: [
        {
          name: "nightly",
          namespace: "team-a",
          trigger,
          action: { [action]: { deletionPolicy: "Delete" } },
        },
      ],
    };
    expect(problems(CRIU, { checkpoints: { namespaces }, policies })).toEqual([
      `deletion-policy-without-effect install.policies.checkpointPolicies.0.action.${action}.deletionPolicy`,
    ]);
    expect(problems(CRIU, { ...deleting(), policies })).toEqual([]);
  },
);
