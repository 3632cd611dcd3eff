import { readControllerSettings } from "../../../../config/programs/controller";
import { chart, problems, synth, synthCriu } from "./support";

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
  expect(kinds(objects)).toEqual([
    "Cedana",
    "Checkpoint",
    "CheckpointPolicy",
    "ClusterCheckpointPolicy",
    "NodeMemoryWatch",
  ]);
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
    "checkpoints: create",
    "pods: list,watch",
    "replicasets: list,watch",
    "statefulsets: list,watch",
    "daemonsets: list,watch",
    "jobs: list,watch",
    "pods: list",
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
  const watches = objects.find(
    ({ kind, metadata: { name } }) => kind === "Role" && name === "cedana-controller-node-memory-watches",
  );
  expect(watches?.["rules"]).toMatchObject([
    { resources: ["nodememorywatches"], verbs: ["get", "list", "watch", "patch", "create", "delete"] },
    { resources: ["nodememorywatches/status"], verbs: ["patch"] },
  ]);
  expect(named(objects, "ValidatingAdmissionPolicy", "cedana-checkpoint-deletions")).toBeUndefined();
});

test("the action deleteCheckpoints adds the permission to delete Checkpoints, and its guard", () => {
  const objects = synth({ ...ON, policies: { actions: ["checkpoint", "deleteCheckpoints"] } });
  const role = named(objects, "Role", "cedana-controller-policies");
  expect(role?.["rules"]).toContainEqual({
    apiGroups: ["automation.cedana.ai"],
    resources: ["checkpoints"],
    verbs: ["delete"],
  });
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

describe("actions", () => {
  const rulesOf = (policies: object) =>
    synth({ ...ON, policies }).flatMap(({ kind, metadata: { name, namespace }, rules }) =>
      kind === "Role" && name === "cedana-controller-policies"
        ? (rules as { resources: string[]; verbs: string[] }[]).map(({ resources, verbs }) => [
            namespace,
            resources.join(","),
            verbs.join(","),
          ])
        : [],
    );

  test("the controller evicts no pods by default", () => {
    expect(JSON.stringify(rulesOf({}))).not.toContain("eviction");
    expect(
      named(synth({ ...ON, policies: {} }), "ValidatingAdmissionPolicy", "cedana-controller-evictions"),
    ).toBeUndefined();
  });

  test("checkpointThenDelete permits evictions in the namespaces of checkpoints, of pods with a UID only", () => {
    const policies = { actions: ["checkpoint", "checkpointThenDelete"] } as const;
    expect(rulesOf(policies)).toContainEqual(["team-a", "pods/eviction", "create"]);
    const objects = synth({ ...ON, policies: { actions: [...policies.actions] } });
    expect(
      JSON.stringify(named(objects, "ValidatingAdmissionPolicy", "cedana-controller-evictions")?.spec),
    ).toContain("preconditions.?uid");
  });

  test("rejects a policy whose action is not enabled, and one with two", () => {
    const then = { ...nightly, action: { checkpointThenDelete: {} } };
    expect(problems({ ...ON, policies: { checkpointPolicies: [then] } })).toContain(
      "policies.checkpointPolicies.0.action.checkpointThenDelete  is an action that the install does not enable; checkpoint",
    );
    const two = { ...nightly, action: { checkpoint: {}, checkpointThenDelete: {} } };
    expect(problems({ ...ON, policies: { checkpointPolicies: [two] } })).toContain(
      "policies.checkpointPolicies.0.action  breaks a rule of its kind: set exactly one action: checkpoint, checkpointThenDelete, ",
    );
  });
});

describe("the trigger webhook", () => {
  const served = (webhook: object) => synthCriu({ ...ON, policies: { webhook } });
  const rulesOf = (objects: ReturnType<typeof synth>, name: string) =>
    objects
      .filter(({ kind, metadata }) => kind.endsWith("Role") && metadata.name === name)
      .map(({ metadata: { namespace }, rules }) => ({ namespace, rules }));

  test("without it, the controller reads no Secret of the namespaces, and has no port and Service for it", () => {
    const objects = synthCriu({ ...ON, policies: {} });
    expect(rulesOf(objects, "cedana-controller-policy-secrets")).toEqual([]);
    expect(named(objects, "Service", "cedana-policies")).toBeUndefined();
    const text = JSON.stringify(objects);
    expect(text).not.toContain("9444");
    expect(text).not.toContain("cedana-policies.cedana-system.svc");
  });

  test("adds a Service, a port, a name of the certificate, and the permission to read the listed Secrets only", () => {
    const objects = served({ secrets: ["hooks"] });
    const rules = [{ apiGroups: [""], resources: ["secrets"], resourceNames: ["hooks"], verbs: ["get"] }];
    expect(rulesOf(objects, "cedana-controller-policy-secrets")).toEqual([
      { namespace: "team-a", rules },
      { namespace: "cedana-system", rules },
    ]);
    expect(named(objects, "Service", "cedana-policies")?.spec).toMatchObject({
      type: "ClusterIP",
      ports: [{ port: 443, targetPort: "policies" }],
    });
    const deployment = JSON.stringify(named(objects, "Deployment", "cedana-controller")?.spec);
    expect(deployment).toContain('{"containerPort":9444,"name":"policies","protocol":"TCP"}');
    const settings = named(objects, "ConfigMap", "cedana-controller-settings")?.["data"] as Record<
      string,
      string
    >;
    expect(readControllerSettings(settings["settings.json"] ?? "")).toMatchObject({
      value: {
        restore: { dnsNames: ["cedana-restore.cedana-system.svc", "cedana-policies.cedana-system.svc"] },
        policies: { webhook: { port: 9444, secrets: ["hooks"] } },
      },
    });
  });

  test("the certificate of cert-manager has the name of its Service", () => {
    const objects = synthCriu({
      ...ON,
      policies: { webhook: {} },
      restore: { certificates: "cert-manager" },
    });
    expect(named(objects, "Certificate", "cedana-restore-certificate")?.spec).toMatchObject({
      dnsNames: ["cedana-restore.cedana-system.svc", "cedana-policies.cedana-system.svc"],
    });
  });

  test("no address may connect by default, and then only those of the install", () => {
    const ingress = (webhook: object) => {
      const { spec } = named(served(webhook), "NetworkPolicy", "cedana-controller") ?? { spec: {} };
      const { ingress: all } = spec as { ingress: { from?: object[]; ports: { port: number }[] }[] };
      return all.filter(({ ports }) => ports.some(({ port }) => port === 9444));
    };
    expect(ingress({})).toEqual([]);
    const gateway = { "kubernetes.io/metadata.name": "ingress-nginx" };
    expect(ingress({ allowFromNamespaces: [gateway], allowFromRanges: ["10.0.0.0/16"] })).toEqual([
      { from: [{ namespaceSelector: { matchLabels: gateway } }], ports: [{ port: 9444, protocol: "TCP" }] },
      { from: [{ ipBlock: { cidr: "10.0.0.0/16" } }], ports: [{ port: 9444, protocol: "TCP" }] },
    ]);
  });

  const hook = { ...nightly, trigger: { webhook: { secret: { name: "hooks" } } } };
  test.each<[string, object, string]>([
    [
      "a policy while no server is installed",
      { checkpointPolicies: [hook] },
      "policies.checkpointPolicies.0.trigger.webhook  has no effect: the install serves no webhook of policies",
    ],
    [
      "a Secret that is not listed",
      { webhook: { secrets: ["a", "b"] }, checkpointPolicies: [hook] },
      'policies.checkpointPolicies.0.trigger.webhook.secret.name "hooks" is a Secret that the controller may not read; a, b',
    ],
    ["an empty list of Secrets", { webhook: { secrets: [] } }, "policies.webhook.secrets"],
    [
      "an engine without the certificate",
      { webhook: {} },
      "install.policies.webhook  is not supported: the engine cedana has no restore by the webhook",
    ],
  ])("rejects %s", (_, policies, text) => {
    expect(problems({ ...ON, policies })).toContain(text);
  });

  test("rejects it without restores", () => {
    expect(() => synthCriu({ ...ON, restore: false, policies: { webhook: {} } })).toThrow(
      /needs the certificate of the restore webhook, which is disabled/,
    );
  });
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
    "policies.checkpointPolicies.0.trigger  breaks a rule of its kind: set exactly one trigger",
  ],
  [
    "no schedule",
    { ...ON, policies: { checkpointPolicies: [{ ...nightly, trigger: { heartbeat: {} } }] } },
    "policies.checkpointPolicies.0.trigger.heartbeat  breaks a rule of its kind: set either intervalSeconds or cron",
  ],
  [
    "a broken cron",
    {
      ...ON,
      policies: { checkpointPolicies: [{ ...nightly, trigger: { heartbeat: { cron: "61 * * * *" } } }] },
    },
    "policies.checkpointPolicies.0.trigger.heartbeat  breaks a rule of its kind: cron must have five fields",
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
    "policies.checkpointPolicies.0.trigger.heartbeat  breaks a rule of its kind: timeZone must exist in the IANA database",
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

describe("readings of memory", () => {
  const settings = (objects: ReturnType<typeof synth>, name: string) => {
    const { data } = named(objects, "ConfigMap", name) as unknown as { data: Record<string, string> };
    return JSON.parse(data["settings.json"] ?? "") as {
      memoryWatches?: boolean;
      policies?: { memory?: object };
    };
  };
  const rulesOf = (objects: ReturnType<typeof synth>, name: string) =>
    JSON.stringify(
      objects.find(({ kind, metadata }) => kind === "Role" && metadata.name === name)?.["rules"],
    );

  test("are those of the agents with the engine criu, which may write only the status of their own node", () => {
    const objects = synthCriu({ ...ON, agentNamespace: "agents", policies: {} });
    expect(settings(objects, "cedana-controller-settings").policies?.memory).toEqual({
      namespace: "agents",
      readings: "agent",
    });
    expect(settings(objects, "cedana-agent-settings").memoryWatches).toBe(true);
    expect(rulesOf(objects, "cedana-controller-node-memory-watches")).not.toContain("status");
    expect(rulesOf(objects, "cedana-controller-policies")).not.toContain("metrics.k8s.io");
    const agent = JSON.stringify(objects.filter(({ kind }) => kind === "Role"));
    expect(agent).toContain('"nodememorywatches/status"');
    const guard = objects.find(
      ({ kind, metadata }) => kind === "ValidatingAdmissionPolicy" && /own-node/.test(metadata.name ?? ""),
    );
    expect(JSON.stringify(guard?.["spec"])).toContain("nodememorywatches/status");
  });

  test("are those of the metrics server if it is chosen, and the agents get no permissions then", () => {
    const objects = synthCriu({ ...ON, policies: { memoryReadings: "metrics-server" } });
    expect(settings(objects, "cedana-agent-settings").memoryWatches).toBeUndefined();
    expect(rulesOf(objects, "cedana-controller-node-memory-watches")).toContain("nodememorywatches/status");
    expect(rulesOf(objects, "cedana-controller-policies")).toContain("metrics.k8s.io");
    const guard = objects.find(
      ({ kind, metadata }) => kind === "ValidatingAdmissionPolicy" && /own-node/.test(metadata.name ?? ""),
    );
    expect(JSON.stringify(guard?.["spec"])).not.toContain("nodememorywatches");
  });

  test("of agents are rejected with the engine cedana", () => {
    expect(problems({ ...ON, policies: { memoryReadings: "agent" } })).toContain(
      "install.policies.memoryReadings agent is not supported: the agents of the engine cedana do not read memory; metrics-server",
    );
  });
});
