/** The layout of the Grafana dashboard. `test/unit/controller/metrics.test.ts` compares its metrics with those of the controller. */
import { grafanaDashboard } from "../../../render";

interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly description?: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly datasource?: unknown;
  readonly targets?: readonly {
    readonly refId: string;
    readonly expr: string;
    readonly datasource: unknown;
  }[];
}
interface Dashboard {
  readonly uid: string;
  readonly panels: readonly Panel[];
  readonly templating: {
    readonly list: readonly { readonly name: string; readonly type: string; readonly definition?: string }[];
  };
}

const dashboard = grafanaDashboard() as Dashboard;
const rows = dashboard.panels.filter(({ type }) => type === "row");
const panels = dashboard.panels.filter(({ type }) => type !== "row");
const queries = panels.flatMap(({ targets = [] }) => targets);

test("has a row for each function, with panels", () => {
  expect(rows.map(({ title }) => title)).toEqual([
    "Overview",
    "Readiness gate and nodes",
    "Checkpoints",
    "Restores",
    "Policies",
    "Retention and artifacts",
    "Controller",
  ]);
  expect(panels.length).toBeGreaterThan(40);
});

test("panels have their own id, title and description, and a query", () => {
  const ids = dashboard.panels.map(({ id }) => id);
  expect(new Set(ids).size).toBe(ids.length);
  const titles = panels.map(({ title }) => title);
  expect(new Set(titles).size).toBe(titles.length);
  expect(panels.filter(({ description = "" }) => description === "")).toEqual([]);
  expect(panels.filter(({ targets = [] }) => targets.length === 0)).toEqual([]);
});

test("no panel overlaps another one or exceeds the 24 columns", () => {
  const taken = new Map<string, string>();
  for (const { title, gridPos } of dashboard.panels) {
    const { x, y, w, h } = gridPos;
    expect(x + w).toBeLessThanOrEqual(24);
    for (let column = x; column < x + w; column++)
      for (let line = y; line < y + h; line++) {
        expect([title, taken.get(`${column}/${line}`)]).toEqual([title, undefined]);
        taken.set(`${column}/${line}`, title);
      }
  }
});

test("the user selects data source, namespace and job, which all queries of the install use", () => {
  const { list } = dashboard.templating;
  expect(list.map(({ name, type, definition }) => [name, type, definition])).toEqual([
    ["datasource", "datasource", undefined],
    ["namespace", "query", "label_values(cedana_events_dropped_total, namespace)"],
    ["job", "query", 'label_values(cedana_events_dropped_total{namespace="$namespace"}, job)'],
  ]);
  const selected = { type: "prometheus", uid: "${datasource}" };
  for (const { datasource } of [...panels, ...queries]) expect(datasource).toEqual(selected);
  const metrics = queries.flatMap(({ expr }) => [...expr.matchAll(/([a-z_]+)\{([^}]*)\}/g)]);
  expect(metrics.length).toBeGreaterThanOrEqual(queries.length);
  const foreign = metrics.filter(
    ([, , matchers = ""]) => !matchers.startsWith('namespace="$namespace", job="$job"'),
  );
  expect(foreign.map(([, name]) => name)).toEqual(["apiserver_admission_webhook_fail_open_count"]);
});

test("ranges of rates follow the interval of the graph, except in the overview", () => {
  const ranges = new Set(
    queries.flatMap(({ expr }) => [...expr.matchAll(/\[([^\]]+)\]/g)].map(([, range]) => range)),
  );
  expect(ranges).toEqual(new Set(["$__rate_interval", "1h"]));
});
