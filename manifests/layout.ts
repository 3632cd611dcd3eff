import { throwIfAny, type Problem } from "../config/schema";
import {
  fileName,
  pathOf,
  checkObject,
  formatIdentity,
  identityOf,
  ordered,
  type KubernetesObject,
} from "./object";
import { toYaml, toYamlStream } from "../render/yaml";

/** Text of files by path. Paths have slashes and are relative to the output directory. */
export type Files = ReadonlyMap<string, string>;

export interface LayoutOptions {
  /**
   * `object`: `<namespace>/<kind>-<name>.yaml`, and `_cluster/...` for objects without a namespace.
   * `chart`: one file for each name in `sources`, with its objects in the given order.
   * @default "object"
   */
  readonly filePer?: "object" | "chart";
  /**
   * Origin of each object, for instance the path of its chart; one for each object. It is the name of a chart's file, and the
   * error for an object that is defined twice names both origins.
   * @default - `object 1`, `object 2`...; all of them in one file `manifests.yaml` with `filePer: "chart"`
   */
  readonly sources?: readonly string[];
  /**
   * Whether to add a kustomization.yaml that lists the files. Kustomize rejects an empty one: without objects there is none.
   * @default true
   */
  readonly kustomization?: boolean;
}

/** Name of the file that Kustomize, Argo CD and Flux read. */
export const KUSTOMIZATION = "kustomization.yaml";

/**
 * Returns the files of a GitOps repository for these objects. A path depends only on the identity of its object, so a new object
 * adds one file. The same objects give the same bytes.
 * @throws InvalidInputError if an object has no name or kind, or is defined twice
 */
export function layout(
  objects: readonly KubernetesObject[],
  options: LayoutOptions = {},
): Map<string, string> {
  const paths = checkObjects(objects, options.sources);
  const files =
    options.filePer === "chart"
      ? filesOfCharts(objects, options.sources)
      : new Map(objects.map((object, index) => [paths[index] ?? "", toYaml(ordered(object))]));
  if (options.kustomization !== false && files.size > 0)
    files.set(KUSTOMIZATION, kustomization([...files.keys()]));
  return new Map([...files].toSorted(([a], [b]) => compare(a, b)));
}

/**
 * Checks the objects and returns the path of each.
 * @throws InvalidInputError as `layout`
 */
export function checkObjects(objects: readonly KubernetesObject[], sources?: readonly string[]): string[] {
  if (sources && sources.length !== objects.length) {
    throw new RangeError(`${sources.length} sources for ${objects.length} objects: pass one for each object`);
  }
  const sourceOf = (index: number): string => sources?.[index] ?? `object ${index + 1}`;
  const broken = objects.flatMap((object, index) => checkObject(object, index, sourceOf(index)));
  throwIfAny("manifests", broken);
  const paths = objects.map((object) => pathOf(identityOf(object)));
  const first = new Map<string, number>();
  const problems: Problem[] = [];
  for (const [index, path] of paths.entries()) {
    const earlier = first.get(path);
    if (earlier === undefined) first.set(path, index);
    else problems.push(duplicate(objects, earlier, index, sourceOf));
  }
  throwIfAny("manifests", problems);
  return paths;
}

function duplicate(
  objects: readonly KubernetesObject[],
  earlier: number,
  later: number,
  sourceOf: (index: number) => string,
): Problem {
  const name = formatIdentity(identityOf(objects[later] as KubernetesObject));
  return {
    code: "duplicate-object",
    path: [later],
    message: `is defined twice: ${name}`,
    given: `by ${sourceOf(earlier)} and by ${sourceOf(later)}`,
    remedy: "remove one of them, or rename it",
  };
}

function filesOfCharts(
  objects: readonly KubernetesObject[],
  sources?: readonly string[],
): Map<string, string> {
  const charts = new Map<string, KubernetesObject[]>();
  for (const [index, object] of objects.entries()) {
    const name = fileName(sources?.[index] ?? "manifests");
    // No escaped name starts with `_k`, so this name is unused.
    const file = `${name}.yaml` === KUSTOMIZATION ? `_${KUSTOMIZATION}` : `${name}.yaml`;
    const chart = charts.get(file);
    if (chart) chart.push(ordered(object));
    else charts.set(file, [ordered(object)]);
  }
  return new Map([...charts].map(([file, chart]) => [file, toYamlStream(chart)]));
}

function kustomization(paths: readonly string[]): string {
  return toYaml({
    apiVersion: "kustomize.config.k8s.io/v1beta1",
    kind: "Kustomization",
    resources: paths.toSorted(compare),
  });
}

/** Compares by code units, independent of the locale. */
export function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
