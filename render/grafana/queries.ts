/** Expressions in PromQL over the metrics of one install. */
import type { Query } from "./panel";

/** The install that the user selects: other programs in the namespace have metrics of the same names. */
const INSTALL = 'namespace="$namespace", job="$job"';

/** Returns a metric of the install. @param matchers further ones, such as `state="waiting"` */
export function of(metric: string, matchers?: string): string {
  return `${metric}{${INSTALL}${matchers === undefined ? "" : `, ${matchers}`}}`;
}

/** Returns the increase per second of a counter of all replicas, by labels. */
export function rates(metric: string, labels: readonly string[], matchers?: string): Query {
  return summed(`rate(${of(metric, matchers)}[$__rate_interval])`, labels);
}

/** Returns the increase of a counter of all replicas in the interval of the graph, by labels: numbers of rare events. */
export function increases(metric: string, labels: readonly string[], matchers?: string): Query {
  return summed(`increase(${of(metric, matchers)}[$__rate_interval])`, labels);
}

function summed(expression: string, labels: readonly string[]): Query {
  const by = labels.length === 0 ? "" : ` by (${labels.join(", ")})`;
  return { expr: `sum${by} (${expression})`, legend: legendOf(labels) };
}

/** Returns a gauge that each replica measures: the maximum of the replicas, by labels. */
export function measured(metric: string, labels: readonly string[] = [], legend = legendOf(labels)): Query {
  const by = labels.length === 0 ? "" : ` by (${labels.join(", ")})`;
  return { expr: `max${by} (${of(metric)})`, legend };
}

/** Returns two quantiles of a histogram, by labels. */
export function quantiles(metric: string, labels: readonly string[] = []): readonly Query[] {
  const by = ["le", ...labels].join(", ");
  return [0.5, 0.99].map((quantile) => ({
    expr: `histogram_quantile(${quantile}, sum by (${by}) (rate(${of(`${metric}_bucket`)}[$__rate_interval])))`,
    legend: [...(labels.length === 0 ? [] : [legendOf(labels)]), `p${quantile * 100}`].join(" "),
  }));
}

function legendOf(labels: readonly string[]): string {
  return labels.length === 0 ? "all" : labels.map((label) => `{{${label}}}`).join(" ");
}
