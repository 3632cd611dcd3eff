/** Checks the Grafana dashboard with Grafana's own schema, and its expressions with Prometheus' parser. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stringify } from "yaml";
import { grafanaDashboard } from "../../render";
import { suiteWith } from "./support/terraform";

const PROMTOOL = process.env["CEDANA_INTEGRATION_PROMTOOL"] ?? "promtool";
const SCHEMA = process.env["CEDANA_INTEGRATION_GRAFANA_SCHEMA"] ?? "grafana-schema";

const check = (dashboard: string) => spawnSync(SCHEMA, { input: dashboard, encoding: "utf8" });
const text = JSON.stringify(grafanaDashboard());

const withoutSchema = check(text).error
  ? `${SCHEMA} does not run: build it, with Go, by \`export CEDANA_INTEGRATION_GRAFANA_SCHEMA=$(node tools/grafana-schema.mjs)\``
  : undefined;

suiteWith(withoutSchema)("Grafana's schema", () => {
  test("Grafana's schema allows the dashboard", () => {
    expect(check(text)).toMatchObject({ status: 0, stderr: "" });
  });

  test.each<[string, string, string, string]>([
    ["an unknown field of a query", '"legendFormat"', '"legendFormt"', "unexpected field 'legendFormt'"],
    ["a missing expression", '"expr"', '"expression"', "expr: required field is missing from input"],
    ["an unknown option of a panel", '"drawStyle"', '"drawStile"', "unexpected field 'drawStile'"],
    ["a width of more than 24 columns", '"w":8', '"w":30', "gridPos.w: must be <= 24"],
  ])("rejects %s", (_, from, to, message) => {
    expect(text).toContain(from);
    const { status, stderr } = check(text.replaceAll(from, to));
    expect({ status, stderr }).toEqual({ status: 1, stderr: expect.stringContaining(message) as string });
  });
});

const withoutPromtool =
  spawnSync(PROMTOOL, ["--version"]).status === 0
    ? undefined
    : `${PROMTOOL} does not run: build it, with Go, by \`export CEDANA_INTEGRATION_PROMTOOL=$(node tools/promtool.mjs)\`, or name one of Prometheus 3 there`;

interface Panel {
  readonly targets?: readonly { readonly expr: string }[];
}

suiteWith(withoutPromtool)("Prometheus", () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), "dashboard-"));
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  /** Checks expressions as those of recording rules. Grafana replaces its variables before it sends them. */
  function checked(expressions: readonly string[]) {
    const rules = expressions.map((expr, index) => ({
      record: `panel:query:${index}`,
      expr: expr.replaceAll("$__rate_interval", "5m").replaceAll(/\$(namespace|job)/g, "cedana"),
    }));
    writeFileSync(join(dir, "rules.yaml"), stringify({ groups: [{ name: "dashboard", rules }] }));
    const { status, stdout, stderr } = spawnSync(PROMTOOL, ["check", "rules", "rules.yaml"], {
      cwd: dir,
      encoding: "utf8",
    });
    return { status, output: `${stdout}${stderr}` };
  }

  test("Prometheus parses each expression", () => {
    const { panels } = grafanaDashboard() as { readonly panels: readonly Panel[] };
    const expressions = panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));
    expect(expressions.length).toBeGreaterThan(50);
    expect(expressions.join("\n")).not.toMatch(/\$(?!__rate_interval|namespace|job)/);
    expect(checked(expressions)).toEqual({
      status: 0,
      output: expect.stringContaining(`SUCCESS: ${expressions.length} rules found`) as string,
    });
  });

  test("Prometheus rejects an expression with a syntax error", () => {
    expect(checked(["sum by (result (cedana_checkpoints_total)"]).status).not.toBe(0);
  });
});
