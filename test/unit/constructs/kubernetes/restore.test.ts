import type { InstallSpec } from "../../../../config";
import { formatProblem, InvalidInputError } from "../../../../config/schema/problem";
import { CONTROLLER, synth, synthCriu, type KubernetesObject } from "./support";

const OURS = /^cedana-restore|^cedana-controller-(restore|certificate)/;
const named = (objects: readonly KubernetesObject[]) =>
  objects
    .filter(({ metadata }) => OURS.test(metadata.name))
    .map(({ kind, metadata }) => `${kind}/${metadata.name}`);
const one = (objects: readonly KubernetesObject[], identity: string) =>
  objects.find(({ kind, metadata }) => `${kind}/${metadata.name}` === identity) as unknown as Record<
    string,
    unknown
  >;
function problems(work: () => unknown): string[] {
  try {
    work();
  } catch (error) {
    if (error instanceof InvalidInputError) return error.problems.map(formatProblem);
    throw error;
  }
  return [];
}

test("creates webhook and policies only with the engine criu and Checkpoints", () => {
  expect(named(synthCriu())).toHaveLength(15);
  expect(named(synthCriu({ restore: false }))).toEqual([]);
  expect(named(synthCriu({ checkpoints: false }))).toEqual([]);
  expect(named(synth(CONTROLLER))).toEqual([]);
});

test("rejects settings of a restore that is not available", () => {
  expect(problems(() => synth({ ...CONTROLLER, restore: {} }))).toEqual([
    "install.restore  is not supported: the engine cedana has no restore by the webhook; remove it, or choose another engine.kind",
  ]);
  expect(problems(() => synthCriu({ checkpoints: false, restore: {} }))).toEqual([
    "install.restore  has no effect: no Checkpoint objects are reconciled; remove it, or replace install.checkpoints: false by install.checkpoints.namespaces",
  ]);
});

test.each<[string, InstallSpec, object]>([
  [
    "all namespaces except those of Kubernetes and of the install",
    { checkpoints: { namespaces: "all" }, agentNamespace: "agents" },
    {
      operator: "NotIn",
      values: ["kube-system", "kube-node-lease", "kube-public", "cedana-system", "agents"],
    },
  ],
  [
    "those that are named, but not the install's",
    { checkpoints: { namespaces: ["team-a", "cedana-system"] } },
    { operator: "In", values: ["team-a"] },
  ],
])("applies the webhook to %s, and the policies to all namespaces", (_, install, expected) => {
  const objects = synthCriu(install);
  const selector = { matchExpressions: [{ key: "kubernetes.io/metadata.name", ...expected }] };
  expect(one(objects, "MutatingWebhookConfiguration/cedana-restore")).toMatchObject({
    webhooks: [{ namespaceSelector: selector }],
  });
  for (const id of ["pods", "templates", "cronjobs"])
    expect(one(objects, `ValidatingAdmissionPolicyBinding/cedana-restore-${id}`)).toMatchObject({
      spec: { policyName: `cedana-restore-${id}`, validationActions: ["Deny"] },
    });
});

test("gives the controller no permission to write Secret or webhook with cert-manager", () => {
  const objects = synthCriu({ restore: { certificates: "cert-manager" } });
  expect(named(objects)).toEqual(
    expect.arrayContaining(["Issuer/cedana-restore-certificate", "Certificate/cedana-restore-certificate"]),
  );
  expect(one(objects, "MutatingWebhookConfiguration/cedana-restore")).toMatchObject({
    metadata: {
      annotations: { "cert-manager.io/inject-ca-from": "cedana-system/cedana-restore-certificate" },
    },
  });
  expect(one(objects, "Role/cedana-controller-certificate")["rules"]).toEqual([
    {
      apiGroups: [""],
      resources: ["secrets"],
      resourceNames: ["cedana-restore-certificate"],
      verbs: ["list", "watch"],
    },
  ]);
  expect(named(objects)).not.toContain("ClusterRole/cedana-controller-certificate");
});

test("lets users with the role edit restore only if configured", () => {
  const label = "rbac.authorization.k8s.io/aggregate-to-edit";
  const labels = (install: InstallSpec) =>
    (one(synthCriu(install), "ClusterRole/cedana-restore") as unknown as KubernetesObject).metadata.labels;
  expect(labels({})).not.toHaveProperty([label]);
  expect(labels({ restore: { grantToEditors: true } })).toHaveProperty([label], "true");
});

test("opens the webhook's port of the controller", () => {
  const port = { containerPort: 9443, name: "webhook", protocol: "TCP" };
  const deployment = (install: InstallSpec) =>
    JSON.stringify(one(synthCriu(install), "Deployment/cedana-controller"));
  expect(deployment({})).toContain(JSON.stringify(port));
  expect(deployment({ restore: false })).not.toContain("9443");
  const policy = (install: InstallSpec) =>
    JSON.stringify(one(synthCriu(install), "NetworkPolicy/cedana-controller"));
  expect(policy({})).toContain('"ingress":[{"ports":[{"port":9443,"protocol":"TCP"}]}]');
  const ranges = { networkPolicies: { apiServerRanges: ["10.0.0.0/20", "10.0.16.0/20"] } };
  expect(policy(ranges)).toContain(
    '"ingress":[{"from":[{"ipBlock":{"cidr":"10.0.0.0/20"}},{"ipBlock":{"cidr":"10.0.16.0/20"}}],"ports":[{"port":9443,"protocol":"TCP"}]}]',
  );
  expect(policy({ restore: false })).not.toContain('ingress"');
});
