/** Policies in a cedana.yaml: problems of the text, and of the policies together with the rest of the file. */
import {
  ACTION_FIELDS,
  CHECKPOINT_POLICY,
  CLUSTER_CHECKPOINT_POLICY,
  formOf,
  TRIGGER_FIELDS,
  type Schema,
  type ValidationRule,
} from "../../../../api";
import { rulesOf, satisfies } from "../../../../config/cel";
import { ACTION_NAMES, checkPolicy } from "../../../../config/install";
import { DOCUMENTED_POLICIES } from "../../../support/docs-policies";
import { ACCEPTED, interval, MIRRORED, REJECTED } from "../../../support/policy-cases";
import { readPlatform } from "../../../../config/platform/file";
import { formatLocated } from "../../../../config/platform/file/read";

const rulesIn = (schema: Schema): readonly ValidationRule[] => [
  ...rulesOf(schema),
  ...[schema.items, schema.additionalProperties, ...Object.values(schema.properties ?? {})].flatMap((one) =>
    one ? rulesIn(one) : [],
  ),
];
const RULES = rulesIn(CHECKPOINT_POLICY.schema).map(({ message }) => message);

const policy = (trigger: string, more = "") => `
      - name: nightly
        namespace: team-a
        trigger: ${trigger}
        action: { checkpoint: {} }${more}`;

const CRIU =
  'engine: { kind: criu, image: { repository: r.example.com/agent, tag: "1" }, repository: r.example.com/checkpoints }';

function report(policies: string, more = "", engine = CRIU): readonly string[] {
  const text = `version: 1
${engine}
install:
  controller: { image: { repository: r.example.com/controller, tag: "1" } }
  checkpoints: { namespaces: [team-a] }
  policies:${policies}
${more}`;
  const { problems = [] } = readPlatform(text);
  return problems.map((problem) => formatLocated("cedana.yaml", problem));
}

test("accepts the policies of the tests below without their mistakes", () => {
  expect(report(`\n    checkpointPolicies:${policy("{ manual: {} }")}`)).toEqual([]);
});

test.each([
  [
    "a block",
    "\n          heartbeat:\n            cron: */5 * * * * # every five minutes",
    "*/5 * * * *",
    "12:19",
  ],
  [
    "a block, with a comma",
    "\n          heartbeat:\n            cron: */5,7 * * * *",
    "*/5,7 * * * *",
    "12:19",
  ],
  ["braces", "{ heartbeat: { cron: */5 * * * * } }", "*/5 * * * *", "10:39"],
  ["only asterisks", "\n          heartbeat:\n            cron: * * * * *", "* * * * *", "12:19"],
])("asks for quotes around a schedule that begins with an asterisk: %s", (_, trigger, given, position) => {
  expect(report(`\n    checkpointPolicies:${policy(trigger)}`)).toEqual([
    `cedana.yaml:${position}  install.policies.checkpointPolicies[0].trigger.heartbeat.cron  begins with *, which marks an alias in YAML; given: ${given}; quote it: "${given}"`,
  ]);
});

test("an alias without an anchor stays an alias", () => {
  expect(report(`\n    checkpointPolicies:${policy("*nightly")}`)).toEqual([
    expect.stringContaining("has no earlier anchor; given: *nightly"),
  ]);
});

test("names what a time zone is, instead of a pattern", () => {
  const [line = ""] = report(
    `\n    checkpointPolicies:${policy('{ heartbeat: { cron: "0 3 * * *", timeZone: "+05:00" } }')}`,
  );
  expect(line).toContain(
    'given: "+05:00"; allowed: a name of the IANA database in its upper and lower case, such as Europe/Berlin or UTC',
  );
});

test("the pattern of each field of a policy is named in words", () => {
  const patterns = (schema: Schema): readonly string[] => [
    ...(schema.pattern === undefined ? [] : [schema.pattern]),
    ...[schema.items, schema.additionalProperties, ...Object.values(schema.properties ?? {})].flatMap((one) =>
      one ? patterns(one) : [],
    ),
  ];
  const all = [CHECKPOINT_POLICY, CLUSTER_CHECKPOINT_POLICY].flatMap(({ schema }) =>
    patterns(schema.properties!["spec"]!),
  );
  expect(all.length).toBeGreaterThan(5);
  // Name it by pattern() of api/schema.ts.
  expect(all.filter((one) => formOf(one) === one)).toEqual([]);
});

test("reports the other problems of the install beside a policy of a wrong shape", () => {
  const lines = report(`\n    checkpointPolicies:${policy("{ manual: true }")}`, "  namespace: kube-system");
  expect(lines).toEqual([
    expect.stringContaining("trigger.manual"),
    expect.stringContaining("install.namespace  is a system namespace"),
  ]);
});

test("a policy names the engine of the platform, and a cluster policy its namespaces", () => {
  const lines = report(`
    checkpointPolicies:
      - name: nightly
        namespace: team-a
        trigger: { manual: {} }
        action: { checkpoint: { engine: cedana } }
    clusterCheckpointPolicies:
      - name: all
        trigger: { manual: {} }
        filter: { namespaces: [team-a, team-b] }
        action: { checkpoint: { engine: criu } }`);
  expect(lines).toEqual([
    'cedana.yaml:11:41  install.policies.checkpointPolicies[0].action.checkpoint.engine  is not the engine of the platform; given: "cedana"; allowed: criu; remove it: the controller has only the engine of the platform',
    'cedana.yaml:15:40  install.policies.clusterCheckpointPolicies[0].filter.namespaces[1]  is a namespace whose Checkpoints are not reconciled; given: "team-b"; allowed: team-a; add it to install.checkpoints.namespaces',
  ]);
});

test("reports an expression that does not compile, with the position in it", () => {
  const lines = report(`
    checkpointPolicies:
      - name: nightly
        namespace: team-a
        trigger: { manual: {} }
        filter: { expression: "pod.spec.nodName == 'n1'" }
        action: { checkpoint: {} }`);
  expect(lines).toEqual([
    `cedana.yaml:11:31  install.policies.checkpointPolicies[0].filter.expression  is not a CEL expression over pod: character 10: No such key: nodName; given: "pod.spec.nodName == 'n1'"`,
  ]);
});

const inFile = (spec: object) =>
  report(`
    actions: ${JSON.stringify(ACTION_NAMES)}
    verify: {}
    webhook: { secrets: [hooks] }
    notify: { destinations: [{ name: ops, url: "https://hooks.example.com", secret: { name: keys, key: ops } }] }
    checkpointPolicies:
      - ${JSON.stringify({ name: "p", namespace: "team-a", trigger: interval, action: { checkpoint: {} }, ...spec })}`);

test.each(ACCEPTED)("validate accepts what the API server accepts: %s", (_, spec) => {
  expect(inFile(spec)).toEqual([]);
});

const CEDANA =
  "engine: { kind: cedana, clusterId: 0b8f5b0e-6d0c-4b52-9f3e-3f3c8e1f7a10, url: https://example.com }";

describe("policies for the platform", () => {
  const inInstall = (spec: object, more: string, engine = CEDANA) =>
    report(
      `${more}
    checkpointPolicies:
      - ${JSON.stringify({ name: "p", namespace: "team-a", trigger: interval, action: { checkpoint: {} }, ...spec })}`,
      "",
      engine,
    );
  const on = "\n    platform: { heartbeatUnit: minutes }";

  test.each(MIRRORED)("validate accepts what the API server accepts: %s", (_, spec) => {
    expect(inInstall(spec, on)).toEqual([]);
  });

  test("rejects a policy with executor Platform in an install that mirrors none", () => {
    expect(inInstall({ executor: "Platform" }, "")).toEqual([
      expect.stringContaining(
        "checkpointPolicies[0].executor  has no effect: the install mirrors no policies, and nothing would execute this one; given: Platform; set install.policies.platform",
      ),
    ]);
  });

  test("rejects mirrored policies with an engine that has no platform", () => {
    expect(inInstall({}, on, CRIU)).toEqual([
      expect.stringContaining("install.policies.platform  is not supported: the engine criu has no platform"),
    ]);
  });

  test("requires the unit of heartbeats, which the API does not document", () => {
    expect(inInstall({}, "\n    platform: {}")).toEqual([
      expect.stringContaining("install.policies.platform.heartbeatUnit  is required"),
    ]);
  });
});

test.each(REJECTED)("validate rejects what the API server rejects: %s", (_, spec, text) => {
  const lines = inFile(spec);
  expect(lines).toHaveLength(1);
  const isRule = RULES.some((message) => message.includes(text) || text.includes(message));
  expect(lines[0]?.includes(isRule ? `breaks a rule of its kind: ` : "")).toBe(true);
  expect(isRule ? lines[0] : text).toContain(text);
});

test("a cluster policy without a namespace breaks a rule of its kind", () => {
  const lines = report(`
    clusterCheckpointPolicies:
      - { name: all, trigger: { manual: {} }, filter: { phases: [Running] }, action: { checkpoint: {} } }`);
  expect(lines).toEqual([
    expect.stringContaining(
      "clusterCheckpointPolicies[0].filter  breaks a rule of its kind: set namespaces or namespaceSelector",
    ),
  ]);
});

test("each rule of the kinds can be evaluated", () => {
  const rules = rulesIn(CHECKPOINT_POLICY.schema.properties!["spec"]!);
  expect(rules.length).toBeGreaterThan(10);
  // A rule that the library cannot parse throws; one that fails at run time is false.
  for (const rule of rules) expect([true, false]).toContain(satisfies(rule, {}));
});

test.each(DOCUMENTED_POLICIES.map((one) => [one.metadata.name, one] as const))(
  "the policy %s of the documentation is valid",
  (_, { kind, metadata, spec }) => {
    const of = [CHECKPOINT_POLICY, CLUSTER_CHECKPOINT_POLICY].find((one) => one.kind === kind);
    expect(checkPolicy(of!, { metadata, spec }).problems).toBeUndefined();
  },
);

test("the documentation has a policy for each trigger and action", () => {
  const shown = (field: "trigger" | "action") =>
    new Set(
      DOCUMENTED_POLICIES.flatMap(({ spec }) =>
        Object.keys((spec as Record<"trigger" | "action", object>)[field]),
      ),
    );
  expect(shown("trigger")).toEqual(new Set(Object.keys(TRIGGER_FIELDS)));
  expect(shown("action")).toEqual(new Set(Object.keys(ACTION_FIELDS)));
});
