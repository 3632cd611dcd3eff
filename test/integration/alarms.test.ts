/** The alarms of the install, in Prometheus' own tests of rules: each fires on its series, and all are silent on healthy ones. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Testing } from "cdk8s";
import { stringify } from "yaml";
import type { InstallSpec } from "../../config";
import { CedanaChart } from "../../stacks/kubernetes";
import { suiteWith } from "./support/terraform";
import { HEALTHY_POLICIES, POLICY_CASES, type Expected, type Series } from "./support/policy-alarms";

const PROMTOOL = process.env["CEDANA_INTEGRATION_PROMTOOL"] ?? "promtool";
const missing =
  spawnSync(PROMTOOL, ["--version"]).status === 0
    ? undefined
    : `${PROMTOOL} does not run: build it, with Go, by \`export CEDANA_INTEGRATION_PROMTOOL=$(node tools/promtool.mjs)\`, or name one of Prometheus 3 there`;

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}
type Spec = Readonly<{ groups: readonly { readonly rules: readonly Rule[] }[] }>;

const image = (name: string) => ({ repository: `registry.example.com/${name}`, tag: "0.1.0" });

function specOf(install: Omit<InstallSpec, "controller"> = {}): Spec {
  const controller = { image: image("cedana-controller"), metrics: { prometheusRule: true } };
  const engine = {
    kind: "criu" as const,
    image: image("cedana-node-agent"),
    repository: image("checkpoints").repository,
  };
  const destination = { name: "ops", url: "https://hooks.example.com", secret: { name: "keys", key: "ops" } };
  const policies = { actions: ["notify" as const], notify: { destinations: [destination] }, verify: {} };
  const all = { policies, ...install, controller };
  const chart = new CedanaChart(Testing.app(), "cedana", { engine, install: all });
  const objects = chart.toJson() as { kind: string; spec: Spec }[];
  const rule = objects.find(({ kind }) => kind === "PrometheusRule");
  if (!rule) throw new Error("the install has no PrometheusRule");
  return rule.spec;
}

const checkpoints = (result: string, reason: string) =>
  `cedana_checkpoints_total{pod="a",engine="criu",result="${result}",reason="${reason}"}`;
const restores = (result: string, reason: string) =>
  `cedana_restores_total{pod="a",result="${result}",reason="${reason}"}`;
const OLDEST_NODE = 'cedana_readiness_oldest_waiting_seconds{pod="a"}';
const OLDEST_CHECKPOINT = 'cedana_checkpoints_oldest_waiting_seconds{pod="a"}';
const LEADER = 'leader_election_master_status{pod="a",name="cedana-controller"}';
const NO_DECISION = 'cedana_restore_admissions_total{pod="a",result="error",reason="None"}';
const FAIL_OPEN =
  'apiserver_admission_webhook_fail_open_count{instance="x",name="restore.cedana.ai",type="admit"}';
const NOT_BEFORE = 'cedana_webhook_certificate_not_before_timestamp_seconds{pod="a"}';
const NOT_AFTER = 'cedana_webhook_certificate_not_after_timestamp_seconds{pod="a"}';
const SPACE = 'cedana_node_checks{pod="a",check="space",status="failed"}';
const REGISTRY = 'cedana_node_checks{pod="a",check="registry",status="failed"}';
const RETRYING = 'cedana_pushes_retrying{pod="a"}';

/** A busy install without problems. The time of the tests begins at 0. */
const HEALTHY: Series = {
  [LEADER]: "1x120",
  'leader_election_master_status{pod="b",name="cedana-controller"}': "0x120",
  // Nodes join and wait for up to 14 minutes.
  [OLDEST_NODE]: "0+60x14 0x10 0+60x14 0x80",
  'cedana_readiness_oldest_waiting_seconds{pod="b"}': "0+60x14 0x10 0+60x14 0x80",
  [OLDEST_CHECKPOINT]: "0+60x14 0x105",
  [checkpoints("completed", "CheckpointCompleted")]: "0+3x120",
  // Causes in the request or the workload.
  [checkpoints("failed", "SourcePodEnded")]: "0+1x120",
  [checkpoints("failed", "SourcePodReplaced")]: "0+1x120",
  [checkpoints("failed", "SourcePodNotFound")]: "0+1x120",
  [checkpoints("failed", "ContainerNotFound")]: "0+1x120",
  [checkpoints("failed", "EngineNotFound")]: "0+1x120",
  [checkpoints("failed", "LocationNotAllowed")]: "0+1x120",
  [checkpoints("failed", "CheckpointNotPossible")]: "0+1x120",
  [checkpoints("failed", "RegistryFailed")]: "0x120",
  [checkpoints("unknown", "OutcomeUnknown")]: "0x120",
  [restores("restored", "None")]: "0+1x120",
  [restores("skipped", "None")]: "0+1x120",
  [restores("skipped", "NoDecision")]: "0x120",
  [restores("fellBack", "Incompatible")]: "0x120",
  [restores("stopped", "CRIUFailed")]: "0x120",
  [restores("lost", "ClaimLost")]: "0x120",
  [restores("unknown", "NotReported")]: "0x120",
  'cedana_restore_admissions_total{pod="a",result="fresh",reason="NoCheckpoint"}': "0+1x120",
  'cedana_restore_admissions_total{pod="a",result="deny",reason="DoesNotFit"}': "0+1x120",
  [NO_DECISION]: "0x120",
  [FAIL_OPEN]: "0x120",
  'apiserver_admission_webhook_fail_open_count{instance="x",name="other.example.com",type="admit"}':
    "0+1x120",
  [NOT_BEFORE]: "-300x120",
  [NOT_AFTER]: "5184000x120",
  // A new replica has no certificate for a moment.
  'cedana_webhook_certificate_not_after_timestamp_seconds{pod="b"}': "_x10 0 5184000x109",
  'cedana_node_checks{pod="a",check="space",status="warning"}': "2x120",
  'cedana_node_checks{pod="a",check="ioUring",status="warning"}': "9x120",
  'cedana_node_checks{pod="a",check="criu",status="failed"}': "1x120",
  [SPACE]: "0x20 1x5 0x93",
  [REGISTRY]: "0x120",
  // A registry that is away for a few minutes.
  [RETRYING]: "0x20 1x5 0x93",
  ...HEALTHY_POLICIES,
};

suiteWith(missing)("alarms", () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), "alarms-"));
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  const promtool = (...args: readonly string[]) => {
    const { status, stdout, stderr } = spawnSync(PROMTOOL, args, { encoding: "utf8", cwd: dir });
    return { status, output: `${stdout}${stderr}` };
  };

  /**
   * Tests the rules with the series.
   * @param expected by minute: what fires; all other alarms must be silent then
   */
  function evaluate(
    series: Series,
    expected: Readonly<Record<number, readonly Expected[]>>,
    spec: Spec = specOf(),
  ) {
    const rules = spec.groups.flatMap((group) => group.rules);
    const alertsOf = ({ alert, labels, annotations }: Rule, all: readonly Expected[]) =>
      all
        .filter((one) => one.alert === alert)
        .map((one) => ({
          exp_labels: { ...labels, ...one.labels },
          exp_annotations: { ...annotations, summary: one.summary },
        }));
    const tests = Object.entries(expected).flatMap(([minute, all]) =>
      rules.map((rule) => ({
        eval_time: `${minute}m`,
        alertname: rule.alert,
        exp_alerts: alertsOf(rule, all),
      })),
    );
    writeFileSync(join(dir, "rules.yaml"), stringify(spec));
    const input = Object.entries(series).map(([name, values]) => ({ series: name, values }));
    writeFileSync(
      join(dir, "test.yaml"),
      stringify({
        rule_files: ["rules.yaml"],
        evaluation_interval: "1m",
        tests: [{ interval: "1m", input_series: input, alert_rule_test: tests }],
      }),
    );
    return promtool("test", "rules", "test.yaml");
  }

  const SUCCESS = { status: 0, output: expect.stringContaining("SUCCESS") as string };

  test("are valid rules", () => {
    writeFileSync(join(dir, "rules.yaml"), stringify(specOf()));
    const checked = promtool("check", "rules", "--lint=all", "--lint-fatal", "rules.yaml");
    expect(checked).toEqual({
      status: 0,
      output: expect.stringContaining("SUCCESS: 11 rules found") as string,
    });
  });

  test("are silent for two hours on a healthy, busy install", () => {
    const minutes = Array.from({ length: 120 }, (_, index) => [index + 1, []] as const);
    expect(evaluate(HEALTHY, Object.fromEntries(minutes))).toEqual(SUCCESS);
  });

  test("a test with a wrong expectation fails", () => {
    const wrong = {
      alert: "CedanaNodeWaits",
      labels: {},
      summary: "A node has waited for its agents for 16m 0s",
    };
    expect(evaluate(HEALTHY, { 60: [wrong] })).toEqual({
      status: 1,
      output: expect.stringContaining("FAILED") as string,
    });
  });

  const failed = (reason: string): Expected => ({
    alert: "CedanaCheckpointsFail",
    labels: { engine: "criu", reason },
    summary: `Checkpoints fail: ${reason}`,
  });
  const lost = (labels: Readonly<Record<string, string>>): Expected => ({
    alert: "CedanaRestoresLost",
    labels,
    summary: `Restores are lost, or will be: ${labels["reason"]}`,
  });
  const cannotStore = (check: string): Expected => ({
    alert: "CedanaNodeCannotStore",
    labels: { check },
    summary: `Nodes cannot store checkpoints: ${check} fails`,
  });
  const LEADERLESS: Expected = {
    alert: "CedanaControllerMissing",
    labels: {},
    summary: "No replica of the controller leads, or its metrics are missing",
  };

  test.each<[string, Series, Readonly<Record<number, readonly Expected[]>>]>([
    [
      "a node waits for more than 15 minutes while others join",
      { [OLDEST_NODE]: "0+60x120" },
      {
        15: [],
        16: [
          { alert: "CedanaNodeWaits", labels: {}, summary: "A node has waited for its agents for 16m 0s" },
        ],
      },
    ],
    [
      "one checkpoint fails, after which all are completed",
      { [checkpoints("failed", "RegistryFailed")]: "0x30 1x89" },
      { 30: [], 32: [failed("RegistryFailed")], 44: [failed("RegistryFailed")], 47: [] },
    ],
    [
      "checkpoints fail for two reasons",
      {
        [checkpoints("failed", "QuotaExceeded")]: "0x30 3x89",
        [checkpoints("unknown", "OutcomeUnknown")]: "0x30 1x89",
      },
      { 30: [], 32: [failed("QuotaExceeded"), failed("OutcomeUnknown")] },
    ],
    ...POLICY_CASES,
    [
      "a Checkpoint waits for more than 15 minutes",
      { [OLDEST_CHECKPOINT]: "0+60x120" },
      {
        15: [],
        16: [
          {
            alert: "CedanaCheckpointsWait",
            labels: {},
            summary: "A Checkpoint has waited for its start for 16m 0s",
          },
        ],
      },
    ],
    ...["fellBack", "stopped", "lost", "unknown"].map(
      (result): [string, Series, Readonly<Record<number, readonly Expected[]>>] => [
        `one restore ends as ${result}`,
        { [restores(result, "PlanMissing")]: "0x30 1x89" },
        { 30: [], 37: [lost({ result, reason: "PlanMissing" })], 50: [] },
      ],
    ),
    [
      "a pod started fresh because the webhook did not decide",
      { [restores("skipped", "NoDecision")]: "0x30 1x89" },
      { 30: [], 37: [lost({ result: "skipped", reason: "NoDecision" })], 50: [] },
    ],
    [
      "the webhook cannot decide",
      { [NO_DECISION]: "0x30 1x89" },
      { 30: [], 37: [lost({ reason: "WebhookWithoutDecision" })], 50: [] },
    ],
    [
      "the API server does not reach the webhook",
      { [FAIL_OPEN]: "0x30 7x89" },
      { 30: [], 37: [lost({ reason: "WebhookNotReached" })], 50: [] },
    ],
    [
      "the certificate of one replica expires within two weeks",
      { [NOT_AFTER]: "1213200x120" },
      // 1213200 s are 14 days and an hour.
      { 60: [], 59: [], 67: [lost({ reason: "CertificateExpires" })] },
    ],
    [
      "a replica has no certificate",
      { [NOT_AFTER]: "5184000x30 0x89", [NOT_BEFORE]: "-300x30 0x89" },
      { 30: [], 37: [lost({ reason: "CertificateExpires" })] },
    ],
    [
      "a certificate is not valid yet",
      { [NOT_BEFORE]: "6000x120" },
      { 4: [], 10: [lost({ reason: "CertificateNotYetValid" })], 101: [] },
    ],
    ["the disk of a node is full", { [SPACE]: "0x30 1x89" }, { 30: [], 40: [], 42: [cannotStore("space")] }],
    [
      "a node cannot reach the registry, and its push is retried",
      { [REGISTRY]: "0x30 2x89", [RETRYING]: "0x30 1x89" },
      { 40: [], 42: [cannotStore("registry"), cannotStore("push")] },
    ],
    ["no replica leads", { [LEADER]: "1x30 0x89" }, { 30: [], 35: [], 37: [LEADERLESS] }],
  ])("fire when %s", (_, series, expected) => {
    expect(evaluate({ ...HEALTHY, ...series }, expected)).toEqual(SUCCESS);
  });

  test("one fires when all metrics are missing, as the others cannot", () => {
    expect(evaluate({}, { 4: [], 6: [LEADERLESS] })).toEqual(SUCCESS);
  });

  test("are silent about the webhook without metrics of the API server", () => {
    const { [FAIL_OPEN]: _unknown, ...series } = HEALTHY;
    expect(evaluate(series, { 60: [] })).toEqual(SUCCESS);
  });

  test("one fires before a gate fails open, and one only after the timeout of a checkpoint", () => {
    const spec = specOf({
      readinessGate: { failOpenAfterSeconds: 600 },
      checkpoints: { timeoutSeconds: 3600 },
    });
    const series: Series = { ...HEALTHY, [OLDEST_NODE]: "0+60x10 0x109", [OLDEST_CHECKPOINT]: "0+60x120" };
    const node = { alert: "CedanaNodeWaits", labels: {} };
    const expected = {
      6: [{ ...node, summary: "A node has waited for its agents for 6m 0s" }],
      60: [],
      61: [
        {
          alert: "CedanaCheckpointsWait",
          labels: {},
          summary: "A Checkpoint has waited for its start for 1h 1m 0s",
        },
      ],
    };
    // The other replica has the same nodes.
    const { 'cedana_readiness_oldest_waiting_seconds{pod="b"}': _other, ...one } = series;
    expect(evaluate(one, expected, spec)).toEqual(SUCCESS);
  });
});
