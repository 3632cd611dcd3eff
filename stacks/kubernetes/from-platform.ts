import { Chart, type App } from "cdk8s";
import type { Platform } from "../../config/platform";
import { NodePools } from "../../constructs/kubernetes/integrations/karpenter";
import { CedanaChart } from "./cedana-chart";

/**
 * Adds the Kubernetes side of a platform to a cdk8s app: the chart `cedana` if there is an engine, the chart `karpenter`
 * if there are node pools.
 * @param platform - as `readPlatform` or `resolvePlatform` returned it
 */
export function chartsFromPlatform(app: App, platform: Platform): Chart[] {
  const { engine, install, karpenter } = platform;
  const charts: Chart[] = [];
  if (engine) charts.push(new CedanaChart(app, "cedana", { engine, install }));
  const cluster = platform.cluster ?? platform.existingCluster;
  if (cluster && karpenter && karpenter.nodePools.length > 0) {
    const chart = new Chart(app, "karpenter");
    new NodePools(chart, "pools", {
      ...karpenter,
      clusterName: cluster.name,
      kubernetesVersion: cluster.version,
    });
    charts.push(chart);
  }
  return charts;
}
