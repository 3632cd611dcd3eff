/** Panels of a Grafana dashboard, in the fields of its JSON (schema version 39 and later). */

/** How Grafana formats the values of a panel. */
export type Unit = "short" | "s" | "percentunit" | "bytes" | "reqps" | "ops" | "bool_yes_no";

/** A query, and the name of its series. */
export interface Query {
  readonly expr: string;
  /** With the labels of the series in braces: `{{result}}`. */
  readonly legend: string;
}

/** A panel before it has a place on the dashboard. */
export interface PanelGiven {
  readonly title: string;
  /** What the values mean, and what to do about high ones. */
  readonly description: string;
  /** Default: short. */
  readonly unit?: Unit;
  /** `stat` shows the current value, `timeseries` its course. Default: timeseries. */
  readonly type?: "stat" | "timeseries";
  /** A `stat` is red from this value on. Default: it has no color. */
  readonly redFrom?: number;
  /** A `stat` is red below this value. */
  readonly redBelow?: number;
  readonly queries: readonly Query[];
}

/** Panels under a heading. */
export interface Row {
  readonly title: string;
  readonly panels: readonly PanelGiven[];
}

interface Place {
  readonly h: number;
  readonly w: number;
  readonly x: number;
  readonly y: number;
}

/** Columns of a dashboard. */
const COLUMNS = 24;
const SIZES = { stat: { w: 4, h: 4 }, timeseries: { w: 8, h: 8 } } as const;
/** The data source that the user selects. */
const DATASOURCE = { type: "prometheus", uid: "${datasource}" } as const;

/** Places rows with their panels from top to bottom, from left to right. */
export function placed(rows: readonly Row[]): readonly object[] {
  const panels: object[] = [];
  let y = 0;
  for (const { title, panels: given } of rows) {
    const gridPos = { h: 1, w: COLUMNS, x: 0, y: y++ };
    panels.push({ id: panels.length + 1, type: "row", title, collapsed: false, gridPos, panels: [] });
    let [x, height] = [0, 0];
    for (const panel of given) {
      const { w, h } = SIZES[panel.type ?? "timeseries"];
      if (x + w > COLUMNS) [x, y, height] = [0, y + height, 0];
      panels.push(panelAt(panel, panels.length + 1, { h, w, x, y }));
      [x, height] = [x + w, Math.max(height, h)];
    }
    y += height;
  }
  return panels;
}

function panelAt(panel: PanelGiven, id: number, gridPos: Place): object {
  const { title, description, type = "timeseries", queries } = panel;
  return {
    id,
    type,
    title,
    description,
    gridPos,
    datasource: DATASOURCE,
    fieldConfig: fieldConfig(panel),
    options: type === "stat" ? STAT : TIME_SERIES,
    targets: queries.map(({ expr, legend }, index) => ({
      refId: String.fromCodePoint(65 + index),
      datasource: DATASOURCE,
      expr,
      legendFormat: legend,
      range: type === "timeseries",
      instant: type === "stat",
    })),
  };
}

const STAT = {
  colorMode: "value",
  graphMode: "none",
  justifyMode: "auto",
  orientation: "auto",
  textMode: "auto",
  wideLayout: true,
  showPercentChange: false,
  percentChangeColorMode: "standard",
  reduceOptions: { calcs: ["lastNotNull"], fields: "", values: false },
};

const TIME_SERIES = {
  legend: { displayMode: "list", placement: "bottom", showLegend: true, calcs: [] },
  tooltip: { mode: "multi", sort: "desc" },
};

function fieldConfig({ unit = "short", type = "timeseries", redFrom, redBelow }: PanelGiven): object {
  const steps = [
    { value: null, color: redBelow === undefined ? "green" : "red" },
    ...(redBelow === undefined ? [] : [{ value: redBelow, color: "green" }]),
    ...(redFrom === undefined ? [] : [{ value: redFrom, color: "red" }]),
  ];
  const hasColor = redFrom !== undefined || redBelow !== undefined;
  return {
    defaults: {
      unit,
      min: 0,
      color: { mode: type === "stat" ? (hasColor ? "thresholds" : "fixed") : "palette-classic" },
      ...(type === "stat" ? { thresholds: { mode: "absolute", steps } } : { custom: LINES }),
    },
    overrides: [],
  };
}

const LINES = {
  drawStyle: "line",
  lineInterpolation: "linear",
  lineWidth: 1,
  fillOpacity: 10,
  showPoints: "auto",
  spanNulls: false,
};
