/**
 * The whole install as one chart.
 * @module cedana-cdk/stacks/kubernetes
 */
export { chartsFromPlatform } from "./from-platform";
export { CedanaChart, type CedanaChartProps } from "./cedana-chart";
