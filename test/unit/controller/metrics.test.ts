/** The metrics of the controller with all its functions, their table in the docs, and the alarms and the dashboard that use them. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { runController } from "../../../controller";
import { controllerSettings } from "../../../config/programs/controller";
import { checkEngine, engineSchema } from "../../../config/engines";
import { ACTION_NAMES, checkInstall, installSchema } from "../../../config/install";
import { resolve } from "../../../config/schema";
import { createLogger, EXIT, Metrics } from "../../../kube";
import { grafanaDashboard } from "../../../render";
import { FakeApi } from "../../../testbed/fake-api";
import { ROOT } from "../../support/sources";
import { CONTROLLER, CRIU, synth, synthCriu } from "../constructs/kubernetes/support";

/** Metrics of the API server, which the alarms use too. */
const FOREIGN = ["apiserver_admission_webhook_fail_open_count"];
const PAGE = readFileSync(join(ROOT, "docs/controller/operations.md"), "utf8");

/** Metrics of the controller that no panel of the dashboard shows, and why. */
const LEFT_OUT: Readonly<Record<string, string>> = {
  workqueue_adds_total: "the rate of reconciles shows the same",
  workqueue_retries_total: "the errors of reconciles show the same",
  workqueue_work_duration_seconds: "the duration of reconciles shows the same",
  workqueue_unfinished_work_seconds: "a queue that grows and busy workers show the same",
  workqueue_longest_running_processor_seconds: "a queue that grows and busy workers show the same",
  cedana_reflector_lists_total: "failures and the last contact show problems",
  cedana_reflector_list_items: "no sign of a problem",
  cedana_reflector_watches_total: "failures and the last contact show problems",
};

/** With the actions that have follow-ups. */
const POLICIES = {
  actions: [...ACTION_NAMES],
  webhook: {},
  notify: {
    destinations: [{ name: "ops", url: "https://hooks.example.com", secret: { name: "keys", key: "ops" } }],
  },
};

const PLATFORM = {
  url: "https://example.com",
  clusterId: "0b8f5b0e-6d0c-4b52-9f3e-3f3c8e1f7a10",
  root: "/run/runc",
  tokenFile: "/nowhere/token",
  namespace: "cedana-system",
  record: "cedana-platform-policies",
  heartbeatUnit: "minutes",
  drift: "report",
  compareSeconds: 60,
} as const;

let text: string;
let names: readonly string[];
beforeAll(async () => {
  const metrics = new Metrics();
  let leads = (): void => {};
  const leading = new Promise<void>((done) => (leads = done));
  const write = (line: string) => void (line.includes('"leading"') && leads());
  const log = createLogger({ level: "info", destination: { write } });
  const install = resolve(
    "install",
    installSchema,
    {
      ...CONTROLLER,
      checkpoints: { namespaces: ["team-a"], deleteArtifacts: {} },
      policies: { ...POLICIES, verify: {} },
    },
    checkInstall,
  );
  const settings = controllerSettings(resolve("engine", engineSchema, CRIU, checkEngine), install);
  if (!settings.restore) throw new Error("the install has no restore");
  const options = { identity: "pod-1", metricsPort: 0, healthPort: 0, log, metrics };
  if (!settings.policies || !settings.policies.webhook)
    throw new Error("the install has no webhook of policies");
  const free = {
    ...settings,
    restore: { ...settings.restore, port: 0 },
    policies: {
      ...settings.policies,
      webhook: { ...settings.policies.webhook, port: 0 },
      // Of the engine cedana, which serves no webhook.
      platform: PLATFORM,
    },
  };
  const ended = runController(free, new FakeApi(), options);
  await leading;
  text = await metrics.registry.metrics();
  names = [...text.matchAll(/^# TYPE (\S+) /gm)].map(([, name = ""]) => name);
  process.emit("SIGTERM");
  const code = await ended;
  if (code !== EXIT.stopped) throw new Error(`the controller ended with code ${code}`);
});

/** Returns the names in the first column of the table of metrics. `_adds_total` continues the name before it. */
function documented(): readonly string[] {
  const [, section = ""] = PAGE.split("\n## Metrics\n");
  const rows = (section.split("\n##")[0] ?? "").split("\n").filter((line) => line.startsWith("| `"));
  return rows.flatMap((row) => {
    const cell = row.split("|")[1] ?? "";
    const all = [...cell.matchAll(/`([^`{]+)[^`]*`/g)].map(([, name = ""]) => name);
    const prefix = /^(?:cedana_reflector|controller_runtime|workqueue)/.exec(all[0] ?? "")?.[0] ?? "";
    return all.map((name) => (name.startsWith("_") ? `${prefix}${name}` : name));
  });
}

test("the page of operations lists each metric, and no other", () => {
  const own = names.filter((name) => !/^(?:process|nodejs)_/.test(name));
  expect(own).toContain("cedana_webhook_certificate_not_after_timestamp_seconds");
  const listed = documented().filter((name) => !/^(?:process|nodejs)_/.test(name));
  expect(listed.toSorted()).toEqual([...own, ...FOREIGN].toSorted());
});

test("each counter has its series before the first event", () => {
  const counters = [...text.matchAll(/^# TYPE (\S+) counter$/gm)].map(([, name = ""]) => name);
  expect(counters.length).toBeGreaterThan(10);
  // The codes and methods of requests are not known before.
  const empty = counters.filter(
    (name) => name !== "rest_client_requests_total" && !new RegExp(`^${name}[ {]`, "m").test(text),
  );
  expect(empty).toEqual([]);
});

interface Rule {
  readonly alert: string;
  readonly expr: string;
}

/** Returns the rules of installs that have all functions together, each once. */
function rules(): readonly Rule[] {
  const controller = { ...(CONTROLLER.controller as object), metrics: { prometheusRule: true } } as never;
  const all = [
    ...synthCriu({ controller, policies: { ...POLICIES, verify: {} } }),
    ...synth({ controller, policies: { platform: { heartbeatUnit: "minutes" } } }),
  ].flatMap((one) =>
    one.kind === "PrometheusRule"
      ? (one as unknown as { spec: { groups: { rules: Rule[] }[] } }).spec.groups.flatMap(
          (group) => group.rules,
        )
      : [],
  );
  return [...new Map(all.map((rule) => [rule.alert, rule])).values()];
}

interface Matcher {
  readonly metric: string;
  readonly label: string;
  readonly pattern: RegExp;
}

/** Returns the metrics of an expression, and the values of labels that it selects. */
function selected(expr: string): {
  readonly metrics: readonly string[];
  readonly matchers: readonly Matcher[];
} {
  const metrics = [...expr.matchAll(/\b((?:cedana|leader|apiserver)_\w+)/g)].map(([, name = ""]) => name);
  const matchers = [...expr.matchAll(/(\w+)\{([^}]*)\}/g)].flatMap(([, metric = "", body = ""]) =>
    [...body.matchAll(/(\w+)(?:=~|!~|!=|=)"([^"]*)"/g)].flatMap(([, label = "", value = ""]) =>
      value.split("|").map((one) => ({ metric, label, pattern: new RegExp(`^${one}$`) })),
    ),
  );
  return { metrics, matchers };
}

test("the alarms use metrics and values of labels that exist from the start", () => {
  const all = rules();
  expect(all.map(({ alert }) => alert)).toEqual([
    "CedanaControllerMissing",
    "CedanaNodeWaits",
    "CedanaCheckpointsFail",
    "CedanaCheckpointsWait",
    "CedanaPoliciesFail",
    "CedanaPoliciesInvalid",
    "CedanaPoliciesWait",
    "CedanaVerificationsFail",
    "CedanaNotificationsFail",
    "CedanaRestoresLost",
    "CedanaNodeCannotStore",
    "CedanaPoliciesNotMirrored",
  ]);
  const uses = all.map(({ expr }) => selected(expr));
  const used = uses.flatMap(({ metrics }) => metrics);
  expect(used.filter((name) => !names.includes(name))).toEqual(FOREIGN);
  const matchers = uses.flatMap((use) => use.matchers).filter(({ metric }) => !FOREIGN.includes(metric));
  expect(matchers.length).toBeGreaterThan(10);
  const missing = matchers.filter(({ metric, label, pattern }) => {
    const values = [...text.matchAll(new RegExp(`^${metric}\\{[^}]*\\b${label}="([^"]*)"`, "gm"))];
    return !values.some(([, value = ""]) => pattern.test(value));
  });
  expect(missing).toEqual([]);
});

test("the page of operations lists each alarm", () => {
  for (const { alert } of rules()) expect(PAGE).toContain(`| \`${alert}\` |`);
});

interface Panel {
  readonly targets?: readonly { readonly expr: string }[];
}

/** Returns the metrics that the dashboard shows. The series of a histogram have suffixes. */
function shown(): ReadonlySet<string> {
  const { panels } = grafanaDashboard() as { readonly panels: readonly Panel[] };
  const expressions = panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));
  const found = expressions.flatMap((expr) =>
    [...expr.matchAll(/([a-z_]+)\{/g)].map(([, name = ""]) => name),
  );
  return new Set(found.map((name) => name.replace(/_bucket$/, "")));
}

test("the dashboard shows each metric, except those with a reason to omit, and no others", () => {
  const own = names.filter((name) => !/^(?:process|nodejs)_/.test(name));
  const missing = own.filter((name) => !shown().has(name));
  expect(missing.toSorted()).toEqual(Object.keys(LEFT_OUT).toSorted());
  expect([...shown()].filter((name) => !names.includes(name))).toEqual(FOREIGN);
});

test("the dashboard uses values of labels that exist from the start", () => {
  const { panels } = grafanaDashboard() as { readonly panels: readonly Panel[] };
  const all = panels.flatMap(({ targets = [] }) => targets.flatMap(({ expr }) => selected(expr).matchers));
  const used = all.filter(
    ({ metric, label }) => !FOREIGN.includes(metric) && !["namespace", "job"].includes(label),
  );
  expect(used.length).toBeGreaterThan(5);
  const unknown = used.filter(({ metric, label, pattern }) => {
    const values = [...text.matchAll(new RegExp(`^${metric}\\{[^}]*\\b${label}="([^"]*)"`, "gm"))];
    return !values.some(([, value = ""]) => pattern.test(value));
  });
  expect(unknown).toEqual([]);
});
