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

/** A tree of files to be: path with slashes, from the root of the tree, and text. */
export type Files = ReadonlyMap<string, string>;

export interface LayoutOptions {
  /**
   * `object`: `<namespace>/<kind>-<name>.yaml`, and `_cluster/...` for objects without a namespace.
   * `chart`: one file for each name in `sources`, its objects in the order given.
   * @default "object"
   */
  readonly filePer?: "object" | "chart";
  /**
   * Where each object comes from, for instance the path of its chart: as many as there are objects. Names the file of
   * a chart, and both places when an object is defined twice.
   * @default - `object 1`, `object 2`...; all of them in one file `manifests.yaml` with `filePer: "chart"`
   */
  readonly sources?: readonly string[];
  /**
   * Whether a kustomization.yaml lists the files. Kustomize refuses an empty one: none is made for no objects.
   * @default true
   */
  readonly kustomization?: boolean;
}

/** Name of the file that Kustomize, Argo CD and Flux look for. */
export const KUSTOMIZATION = "kustomization.yaml";

/**
 * Lays objects out as the files of a GitOps repository. A path depends on the identity of its object alone, so that
 * adding one object adds one file, and the same objects give the same bytes.
 * @throws InvalidInputError if an object has no name or kind, or is defined twice.
 */
export function layout(
  objects: readonly KubernetesObject[],
  options: LayoutOptions = {},
): Map<string, string> {
  const places = checkObjects(objects, options.sources);
  const files =
    options.filePer === "chart"
      ? filesOfCharts(objects, options.sources)
      : new Map(objects.map((object, index) => [places[index] ?? "", toYaml(ordered(object))]));
  if (options.kustomization !== false && files.size > 0)
    files.set(KUSTOMIZATION, kustomization([...files.keys()]));
  return new Map([...files].toSorted(([a], [b]) => compare(a, b)));
}

/**
 * The path of each object.
 * @throws InvalidInputError as `layout`.
 */
export function checkObjects(objects: readonly KubernetesObject[], sources?: readonly string[]): string[] {
  if (sources && sources.length !== objects.length) {
    throw new RangeError(`${sources.length} sources for ${objects.length} objects: give one for each`);
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
    remedy: "leave one out, or give it another name",
  };
}

function filesOfCharts(
  objects: readonly KubernetesObject[],
  sources?: readonly string[],
): Map<string, string> {
  const charts = new Map<string, KubernetesObject[]>();
  for (const [index, object] of objects.entries()) {
    const name = fileName(sources?.[index] ?? "manifests");
    // No escaped name begins with `_k`, so this one is free.
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

/** By code unit: the same on every machine, whatever its language. */
export function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
