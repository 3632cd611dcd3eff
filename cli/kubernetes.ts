import { App } from "cdk8s";
import { helmChart, layout, type KubernetesObject } from "../manifests";
import type { Platform } from "../config/platform";
import { chartsFromPlatform } from "../stacks/kubernetes";
import { VERSION } from "../config/version";

export interface SynthesizedObjects {
  readonly objects: readonly KubernetesObject[];
  /** Chart of each object, in the same order. */
  readonly sources: readonly string[];
}

/** Returns every Kubernetes object of a platform and its chart. */
export function kubernetesObjects(platform: Platform): SynthesizedObjects {
  const charts = chartsFromPlatform(new App(), platform).map((chart) => ({
    id: chart.node.id,
    objects: chart.toJson() as KubernetesObject[],
  }));
  return {
    objects: charts.flatMap(({ objects }) => objects),
    sources: charts.flatMap(({ id, objects }) => objects.map(() => id)),
  };
}

/** Returns the files of the Kubernetes side, in the output format of the platform. */
export function kubernetesFiles(
  platform: Platform,
  { objects, sources }: SynthesizedObjects,
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
