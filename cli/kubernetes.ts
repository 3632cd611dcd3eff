import { App, Chart } from "cdk8s";
import { helmChart, layout, type KubernetesObject } from "../manifests";
import type { Platform } from "../config/platform";
import { NodePools } from "../constructs/kubernetes/karpenter";
import { CedanaChart } from "../stacks/kubernetes";
import { VERSION } from "../config/version";

/** The Kubernetes side of a platform as charts of a cdk8s app. */
export function addCharts(app: App, platform: Platform): Chart[] {
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

export interface MadeObjects {
  readonly objects: readonly KubernetesObject[];
  /** Chart of each object, in the same order. */
  readonly sources: readonly string[];
}

/** Every Kubernetes object of a platform and the chart that it comes from. */
export function kubernetesObjects(platform: Platform): MadeObjects {
  const charts = addCharts(new App(), platform).map((chart) => ({
    id: chart.node.id,
    objects: chart.toJson() as KubernetesObject[],
  }));
  return {
    objects: charts.flatMap(({ objects }) => objects),
    sources: charts.flatMap(({ id, objects }) => objects.map(() => id)),
  };
}

/** The files of the Kubernetes side, in the format that the platform asks for. */
export function kubernetesFiles(
  platform: Platform,
  { objects, sources }: MadeObjects,
): ReadonlyMap<string, string> {
  switch (platform.output.format) {
    case "helm":
      return helmChart(objects, { name: platform.install?.name ?? "cedana", version: VERSION, sources });
    case "file":
      return layout(objects, { filePer: "chart", sources });
    default:
      return layout(objects, { sources });
  }
}
