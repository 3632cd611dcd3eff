import { join } from "node:path";
import { App } from "cdk8s";
import { helmChart, identityOf, layout, pathOf, type KubernetesObject } from "../manifests";
import { shellWord } from "./shell";
import type { Platform } from "../config/platform";
import { chartsFromPlatform } from "../stacks/kubernetes";
import { capabilitiesOf } from "../config/engines";
import { installSchema } from "../config/install";
import { resolve } from "../config/schema";
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

/**
 * Returns the commands that apply the objects with kubectl. An object of a kind that is in the output too needs the API server to
 * serve the kind: kubectl reports it as unknown before it applies anything.
 */
export function applyCommands(
  directory: string,
  files: ReadonlyMap<string, string>,
  { objects }: Pick<SynthesizedObjects, "objects">,
): string[] {
  const kubectl = "kubectl apply --server-side";
  const all = `${kubectl} -k ${shellWord(directory)}`;
  const used = new Set(objects.map((object) => `${object.kind}.${identityOf(object).group}`));
  const crds = objects.filter((object) => {
    if (object.kind !== "CustomResourceDefinition") return false;
    const { names, group } = object["spec"] as { names: { kind: string }; group: string };
    return used.has(`${names.kind}.${group}`);
  });
  if (crds.length === 0) return [all];
  const paths = crds.map((crd) => pathOf(identityOf(crd)));
  const names = crds.map(({ metadata: { name } }) => `crd/${name}`).join(" ");
  const first = paths.every((path) => files.has(path))
    ? `${kubectl} ${paths.map((path) => `-f ${shellWord(join(directory, path))}`).join(" ")}`
    : all;
  return [first, `kubectl wait --for=condition=Established ${names}`, all];
}

/** Returns the commands that create the Secrets of the engine. No file has their values. */
export function secretCommands({ engine, install }: Platform): string[] {
  if (!engine) return [];
  const { secrets } = capabilitiesOf(engine, install ?? resolve("install", installSchema, {}));
  return secrets.map(({ keys, name, namespace, type }) => {
    const typed = type === undefined ? name : `${name} --type=${type}`;
    const files = keys.map((key) => `--from-file=${key}=<file>`).join(" ");
    return `kubectl -n ${namespace} create secret generic ${typed} ${files}`;
  });
}
