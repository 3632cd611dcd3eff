/**
 * The whole install as one chart.
 * @module cedana-cdk/stacks/kubernetes
 */
export { CedanaChart, type CedanaChartProps } from "./cedana-chart";
