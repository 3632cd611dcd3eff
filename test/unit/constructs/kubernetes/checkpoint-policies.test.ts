import { readControllerSettings } from "../../../../config/programs/controller";
import { InvalidInputError, type InstallSpec } from "../../../../config";
import { chart, synth } from "./support";

/** Returns what the constructor of the chart reports. */
function problems(install: InstallSpec): string {
  try {
    chart(install);
  } catch (error) {
    if (!(error instanceof InvalidInputError)) throw error;
    return error.problems
      .map(
        ({ path, given, message, allowed }) =>
          `${path.join(".")} ${given ?? ""} ${message}; ${allowed ?? ""}`,
      )
      .join("\n");
  }
  return "none";
}

const controller = { image: { repository: "registry.example.com/controller", tag: "1" } };
const ON = { controller, checkpoints: { namespaces: ["team-a"] } };
const action = { checkpoint: {} };
const nightly = {
  name: "nightly",
  namespace: "team-a",
  trigger: { heartbeat: { cron: "0 3 * * *", timeZone: "Europe/Berlin" } },
  filter: { pods: { matchLabels: { app: "web" } }, minRunningSeconds: 600 },
  action,
};

const kinds = (objects: ReturnType<typeof synth>) =>
  objects
    .filter(({ kind }) => kind === "CustomResourceDefinition")
    .map(({ spec }) => (spec as { names: { kind: string } }).names.kind);
const named = (objects: ReturnType<typeof synth>, kind: string, name: string) =>
  objects.find((one) => one.kind === kind && one.metadata.name === name);

test("without policies there is no kind, permission, setting and guard of them", () => {
  const objects = synth(ON);
  expect(kinds(objects)).not.toContain("CheckpointPolicy");
  const about = objects.filter(({ metadata: { name } }) => /polic/.test(name ?? ""));
  expect(about.map(({ kind, metadata }) => `${kind}/${metadata.name}`)).toEqual([]);
  expect(JSON.stringify(objects)).not.toContain("checkpointpolicies");
});

test("policies add the kinds, the permissions in the namespaces of checkpoints, and the setting", () => {
  const objects = synth({ ...ON, policies: { maxInFlight: 7 } });
  expect(kinds(objects)).toEqual(["Cedana", "Checkpoint", "CheckpointPolicy", "ClusterCheckpointPolicy"]);
  const roles = objects.filter(
    ({ kind, metadata: { name } }) => kind.endsWith("Role") && /controller-policies/.test(name ?? ""),
  );
  expect(roles.map(({ kind, metadata: { name, namespace } }) => [kind, name, namespace])).toEqual([
    ["Role", "cedana-controller-policies", "team-a"],
    ["ClusterRole", "cedana-controller-policies-cluster", undefined],
  ]);
  const verbs = roles.flatMap(({ rules }) =>
    (rules as { resources: string[]; verbs: string[] }[]).flatMap(({ resources, verbs: all }) =>
      resources.map((resource) => `${resource}: ${all.join(",")}`),
    ),
  );
  expect(verbs).toEqual([
    "checkpointpolicies: list,watch",
    "checkpointpolicies/status: patch",
    "checkpoints: create,delete",
    "pods: list,watch",
    "replicasets: list,watch",
    "statefulsets: list,watch",
    "daemonsets: list,watch",
    "jobs: list,watch",
    "clustercheckpointpolicies: list,watch",
    "clustercheckpointpolicies/status: patch",
    "namespaces: list,watch",
  ]);
  const settings = named(objects, "ConfigMap", "cedana-controller-settings")?.["data"] as Record<
    string,
    string
  >;
  expect(readControllerSettings(settings["settings.json"] ?? "")).toMatchObject({
    value: { policies: { maxInFlight: 7 } },
  });
  expect(named(objects, "ValidatingAdmissionPolicy", "cedana-checkpoint-policies")).toBeDefined();
  expect(named(objects, "ValidatingAdmissionPolicy", "cedana-checkpoint-deletions")).toBeDefined();
});

test("creates the policies of the file, with their defaults", () => {
  const install = {
    ...ON,
    policies: {
      checkpointPolicies: [nightly],
      clusterCheckpointPolicies: [
        { name: "gold", trigger: { manual: {} }, filter: { namespaceSelector: {} }, action },
      ],
    },
  };
  const objects = synth(install);
  expect(named(objects, "CheckpointPolicy", "nightly")).toMatchObject({
    apiVersion: "automation.cedana.ai/v1alpha1",
    metadata: { namespace: "team-a", labels: { "app.kubernetes.io/component": "policies" } },
    spec: {
      suspend: false,
      trigger: nightly.trigger,
      filter: nightly.filter,
      action: { checkpoint: { leaveRunning: true } },
      minSpacingSeconds: 60,
      deadlineSeconds: 600,
      maxInFlight: 10,
    },
  });
  expect(named(objects, "ClusterCheckpointPolicy", "gold")?.spec).toMatchObject({ trigger: { manual: {} } });
  expect(chart(install).policies?.checkpointPolicies).toHaveLength(1);
});

test.each<[string, object, string]>([
  ["policies without a controller", { policies: {} }, "policies  has no effect: no Checkpoint objects"],
  [
    "a namespace without checkpoints",
    { ...ON, policies: { checkpointPolicies: [{ ...nightly, namespace: "team-b" }] } },
    'policies.checkpointPolicies.0.namespace "team-b" is a namespace whose Checkpoints are not reconciled; team-a',
  ],
  [
    "a name twice",
    { ...ON, policies: { checkpointPolicies: [nightly, nightly] } },
    'policies.checkpointPolicies.1.name "nightly" is the name of an earlier policy',
  ],
  [
    "two triggers",
    {
      ...ON,
      policies: { checkpointPolicies: [{ ...nightly, trigger: { manual: {}, ...nightly.trigger } }] },
    },
    "policies.checkpointPolicies.0.trigger  has not exactly one trigger",
  ],
  [
    "no schedule",
    { ...ON, policies: { checkpointPolicies: [{ ...nightly, trigger: { heartbeat: {} } }] } },
    "policies.checkpointPolicies.0.trigger.heartbeat  has not exactly one schedule; intervalSeconds or cron",
  ],
  [
    "a broken cron",
    {
      ...ON,
      policies: { checkpointPolicies: [{ ...nightly, trigger: { heartbeat: { cron: "61 * * * *" } } }] },
    },
    'policies.checkpointPolicies.0.trigger.heartbeat.cron "61 * * * *" is not a cron schedule; five fields',
  ],
  [
    "a time zone that does not exist",
    {
      ...ON,
      policies: {
        checkpointPolicies: [
          { ...nightly, trigger: { heartbeat: { cron: "0 3 * * *", timeZone: "Mars/Olympus" } } },
        ],
      },
    },
    'policies.checkpointPolicies.0.trigger.heartbeat.timeZone "Mars/Olympus" is not a time zone',
  ],
  [
    "an interval of zero",
    {
      ...ON,
      policies: { checkpointPolicies: [{ ...nightly, trigger: { heartbeat: { intervalSeconds: 0 } } }] },
    },
    "policies.checkpointPolicies.0.trigger.heartbeat.intervalSeconds 0 is out of range; 60 to 2592000",
  ],
  [
    "an unknown field",
    { ...ON, policies: { checkpointPolicies: [{ ...nightly, schedule: "0 3 * * *" }] } },
    "policies.checkpointPolicies.0.schedule  is not a known property",
  ],
])("rejects %s", (_, install, text) => {
  expect(problems(install as never)).toContain(text);
});
