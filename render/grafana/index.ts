/** The Grafana dashboard of an install: its metrics by function. Pure. */
import { placed } from "./panel";
import { ROWS } from "./rows";

/** Name of the file with the dashboard. */
export const DASHBOARD_FILE = "cedana-cdk.json";

/**
 * Returns the dashboard, as Grafana imports it. The user selects the data source, and the install by the labels `namespace` and
 * `job` that a ServiceMonitor gives to its metrics.
 */
export function grafanaDashboard(): object {
  return {
    uid: "cedana-cdk",
    title: "Cedana: checkpoints and restores",
    description:
      "Metrics of the controller, of the nodes and of policies. docs/controller/operations.md explains each.",
    tags: ["cedana", "kubernetes"],
    schemaVersion: 39,
    version: 1,
    editable: false,
    graphTooltip: 1,
    time: { from: "now-6h", to: "now" },
    timepicker: {},
    timezone: "browser",
    refresh: "1m",
    annotations: { list: [] },
    links: [],
    templating: {
      list: [
        {
          name: "datasource",
          label: "Data source",
          type: "datasource",
          query: "prometheus",
          refresh: 1,
          hide: 0,
          multi: false,
          includeAll: false,
        },
        variable("namespace", "Namespace", "cedana_events_dropped_total"),
        variable("job", "Job", 'cedana_events_dropped_total{namespace="$namespace"}'),
      ],
    },
    panels: placed(ROWS),
  };
}

/** A variable with the values of a label. @param series of which each install has one */
function variable(name: string, label: string, series: string): object {
  return {
    name,
    label,
    type: "query",
    datasource: { type: "prometheus", uid: "${datasource}" },
    query: { query: `label_values(${series}, ${name})`, refId: `Variable-${name}` },
    definition: `label_values(${series}, ${name})`,
    // When the time range changes: an install may be newer than the last load.
    refresh: 2,
    sort: 1,
    hide: 0,
    multi: false,
    includeAll: false,
  };
}
