import { throwIfAny } from "../config/schema";
import { ordered, type KubernetesObject } from "./object";
import { checkObjects, compare } from "./layout";
import { toYaml } from "../render/yaml";

export interface HelmChartOptions {
  /** Name of the chart: lower-case letters, digits and `-`. */
  readonly name: string;
  /** Version of the chart, a semantic version: 1.2.3. Helm tells two charts apart by it. */
  readonly version: string;
  /**
   * Version of what the chart installs, for people to read.
   * @default - none
   */
  readonly appVersion?: string;
  /** @default "Checkpoint and restore for Kubernetes, made by cedana-cdk" */
  readonly description?: string;
  /** Where each object comes from, told when one is defined twice. @default - `object 1`, `object 2`... */
  readonly sources?: readonly string[];
}

const CHART_NAME = /^[a-z0-9][a-z0-9-]{0,52}$/;
const SEMANTIC_VERSION = /^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$/;

/**
 * A Helm chart that installs exactly these objects. It takes no values, and says so when it is given one: what can be
 * set is set in the input from which the objects were made. CustomResourceDefinitions lie in `crds/`: Helm installs
 * them first and never removes them, nor what was made of them; it does not upgrade them either.
 * @throws InvalidInputError if the name or version is none that Helm takes, an object has no name or is defined twice.
 */
export function helmChart(
  objects: readonly KubernetesObject[],
  options: HelmChartOptions,
): Map<string, string> {
  checkOptions(options);
  const paths = checkObjects(objects, options.sources);
  const files = new Map<string, string>([
    ["Chart.yaml", chartYaml(options)],
    ["values.yaml", VALUES],
    ["values.schema.json", SCHEMA],
  ]);
  for (const [index, object] of objects.entries()) {
    const crd = object.kind === "CustomResourceDefinition";
    const text = toYaml(ordered(object));
    files.set(`${crd ? "crds" : "templates"}/${paths[index]}`, crd ? text : escapeTemplate(text));
  }
  return new Map([...files].toSorted(([a], [b]) => compare(a, b)));
}

/** Text that Helm's template language gives back unchanged. Only `{{` begins an action; what follows is text again. */
export function escapeTemplate(text: string): string {
  return text.replaceAll("{{", '{{"{{"}}');
}

function chartYaml(options: HelmChartOptions): string {
  return toYaml({
    apiVersion: "v2",
    name: options.name,
    description: options.description ?? "Checkpoint and restore for Kubernetes, made by cedana-cdk",
    type: "application",
    version: options.version,
    appVersion: options.appVersion,
  });
}

const VALUES = `# This chart takes no values. It was made by cedana-cdk: change its input and make the chart again.
{}
`;

/** Helm hands `global` to every subchart, so it must pass. */
const SCHEMA = `${JSON.stringify(
  {
    $schema: "http://json-schema.org/draft-07/schema#",
    description: "This chart takes no values: change the input of cedana-cdk and make the chart again.",
    type: "object",
    properties: { global: {} },
    additionalProperties: false,
  },
  null,
  2,
)}
`;

function checkOptions({ name, version }: HelmChartOptions): void {
  throwIfAny("Helm chart", [
    ...(CHART_NAME.test(name)
      ? []
      : [
          {
            code: "not-a-chart-name",
            path: ["name"],
            message: "is not a name for a chart",
            given: JSON.stringify(name),
            allowed: "up to 53 lower-case letters, digits and -, beginning with a letter or digit",
          },
        ]),
    ...(SEMANTIC_VERSION.test(version)
      ? []
      : [
          {
            code: "not-a-semantic-version",
            path: ["version"],
            message: "is not a semantic version",
            given: JSON.stringify(version),
            allowed: "MAJOR.MINOR.PATCH, for instance 1.2.3",
          },
        ]),
  ]);
}
