import { readControllerSettings } from "../../../../config/programs/controller";
import { InvalidInputError, type InstallSpec } from "../../../../config";
import { chart, chartCriu, synth, synthCriu } from "./support";

const controller = { image: { repository: "registry.example.com/controller", tag: "1" } };
const ON: InstallSpec = {
  controller,
  checkpoints: { namespaces: ["team-a", "team-b"] },
  policies: { verify: { maxRequests: { cpu: "2" } } },
};

type Objects = ReturnType<typeof synthCriu>;
const named = (objects: Objects, kind: string, name: string) =>
  objects.filter((one) => one.kind === kind && one.metadata.name === name);

function problems(install: InstallSpec): string[] {
  try {
    chartCriu(install);
  } catch (error) {
    if (!(error instanceof InvalidInputError)) throw error;
    return error.problems.map(({ code, path }) => `${code} ${path.join(".")}`);
  }
  return [];
}

test("without verify there are no permissions for pods, no NetworkPolicy and no settings of it", () => {
  const objects = synthCriu({ ...ON, policies: {} });
  const sandboxes = objects.filter(({ metadata: { name } }) => /sandbox/.test(name ?? ""));
  expect(new Set(sandboxes.map(({ metadata: { name } }) => name))).toEqual(
    new Set(["cedana-sandbox-policies"]),
  );
  const rules = objects.flatMap(
    (one) => (one as { rules?: { resources?: string[]; verbs: string[] }[] }).rules ?? [],
  );
  const pods = rules.filter(({ resources }) => resources?.includes("pods")).flatMap(({ verbs }) => verbs);
  expect(pods).not.toContain("create");
  expect(pods).not.toContain("delete");
});

test("verify adds the permissions and a NetworkPolicy in each namespace, and the limits of what is created", () => {
  const objects = synthCriu(ON);
  const roles = named(objects, "Role", "cedana-controller-sandboxes");
  expect(roles.map(({ metadata: { namespace } }) => namespace)).toEqual(["team-a", "team-b"]);
  expect((roles[0] as { rules?: unknown } | undefined)?.rules).toEqual([
    { apiGroups: [""], resources: ["pods"], verbs: ["create", "delete"] },
    { apiGroups: ["automation.cedana.ai"], resources: ["checkpoints"], verbs: ["restore"] },
    { apiGroups: ["networking.k8s.io"], resources: ["networkpolicies"], verbs: ["list"] },
  ]);
  const policies = named(objects, "NetworkPolicy", "cedana-sandboxes");
  expect(policies).toMatchObject(
    ["team-a", "team-b"].map((namespace) => ({
      metadata: { namespace },
      spec: {
        podSelector: { matchExpressions: [{ key: "cedana.ai/verification", operator: "Exists" }] },
        policyTypes: ["Ingress", "Egress"],
      },
    })),
  );
  expect(JSON.stringify(policies)).not.toMatch(/"(in|e)gress":/);
  for (const name of [
    "cedana-controller-sandboxes",
    "cedana-controller-sandboxes-delete",
    "cedana-sandbox-policies",
  ])
    expect(named(objects, "ValidatingAdmissionPolicyBinding", name)).toMatchObject([
      { spec: { policyName: name, validationActions: ["Deny"] } },
    ]);
  const text = (
    named(objects, "ConfigMap", "cedana-controller-settings")[0] as { data?: Record<string, string> }
  ).data?.["settings.json"];
  const settings = readControllerSettings(text ?? "");
  expect(settings).toMatchObject({
    value: {
      policies: {
        verify: {
          maxInFlight: 2,
          maxRequests: { cpu: "2" },
          nodeSelector: {},
          networkPolicy: "cedana-sandboxes",
        },
      },
    },
  });
});

test("who may write policies that verify is checked with each engine, also before verify is enabled", () => {
  const guards = (objects: Objects) =>
    ["ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"].map(
      (kind) => named(objects, kind, "cedana-sandbox-policies").length,
    );
  const installs = [
    synthCriu(ON),
    synthCriu({ ...ON, policies: {} }),
    synthCriu({ ...ON, policies: {}, restore: false }),
    synth({ ...ON, policies: {} }),
  ];
  expect(installs.map(guards)).toEqual(installs.map(() => [1, 1]));
  const { policies: _policies, ...without } = ON;
  expect(guards(synthCriu(without))).toEqual([0, 0]);
});

test("the controller's account creates no pods with capabilities beyond baseline, another procMount or no profiles", () => {
  const [policy] = named(
    synthCriu(ON),
    "ValidatingAdmissionPolicy",
    "cedana-controller-sandboxes",
  ) as unknown as {
    spec: { validations: { expression: string; message: string }[] };
  }[];
  const ruleOf = (message: string) =>
    policy?.spec.validations.find((one) => one.message.includes(message))?.expression;
  const capabilities = ruleOf("adds no capabilities but AUDIT_WRITE, CHOWN,") ?? "";
  expect(capabilities).toMatch(
    /^variables\.containers\.all\(one, .*\.\?add\.orValue\(\[\]\)\.all\(added, added in \['AUDIT_WRITE', /,
  );
  expect(capabilities).not.toMatch(/SYS_ADMIN|NET_RAW|ALL/);
  expect(ruleOf("has the procMount Default")).toContain("?procMount.orValue('Default') == 'Default'");
  const unconfined = ruleOf("are not Unconfined") ?? "";
  for (const root of ["object.spec", "one"])
    for (const field of ["seccompProfile", "appArmorProfile"])
      expect(unconfined).toContain(`${root}.?securityContext.?${field}.?type.orValue('') != 'Unconfined'`);
  expect(unconfined).toContain("container.apparmor.security.beta.kubernetes.io/");
  expect(ruleOf("no ephemeral containers")).toBeDefined();
});

test("what verify cannot be combined with is rejected", () => {
  const policy = {
    name: "prove",
    namespace: "team-a",
    trigger: { manual: {} },
    action: { verify: {} },
  };
  const verify = { ...ON, policies: { verify: {} } };
  expect(problems(verify)).toEqual([]);
  expect(problems({ ...verify, checkpoints: { namespaces: "all" } })).toEqual([
    "verify-in-all-namespaces policies.verify",
  ]);
  expect(problems({ ...verify, restore: false })).toEqual(["verify-without-restore install.policies.verify"]);
  expect(
    problems({ ...ON, policies: { verify: { maxRequests: { "nvidia.com/gpu": "1", cpu: "0" } } } }),
  ).toEqual([
    "invalid-limit policies.verify.maxRequests.nvidia.com/gpu",
    "invalid-limit policies.verify.maxRequests.cpu",
  ]);
  expect(problems({ ...ON, policies: { checkpointPolicies: [policy] } })).toEqual([
    "action-not-enabled policies.checkpointPolicies.0.action.verify",
  ]);
  expect(problems({ ...ON, policies: { verify: {}, checkpointPolicies: [policy] } })).toEqual([]);
});

test("the engine cedana, which restores pods itself, is rejected", () => {
  const make = () => chart({ ...ON, policies: { verify: {} } });
  expect(make).toThrow(InvalidInputError);
  expect(make).toThrow(/the engine cedana has no restore by the webhook/);
});
