/**
 * Features of each plugin of the Cedana agent, as `cedana features` prints them. One character per plugin, so that the rows
 * can be compared with the printed table.
 */

/** Lists the columns of the matrix in their order. */
export const PLUGINS = [
  "cloud-hypervisor",
  "runc",
  "containerd",
  "crio",
  "kata",
  "storage/cedana",
  "storage/s3",
  "storage/gcs",
  "k8s",
  "slurm",
] as const;

export type Plugin = (typeof PLUGINS)[number];

/** Lists the plugins that are not in the matrix, because they are separate programs. */
export const EXTERNAL_PLUGINS = [
  "criu",
  "criu/cuda",
  "gpu",
  "gpu/tracer",
  "streamer",
  "containerd/runtime-runc",
] as const;

export type Support = "implemented" | "unimplemented" | "not-installed" | "incompatible";

/** Maps each state to its mark in the printed table. */
export const MARKS: Readonly<Record<Support, string>> = {
  implemented: "✔",
  unimplemented: "•",
  "not-installed": "—",
  incompatible: "✖",
};

const GROUPS = [
  [
    ["Dump command", "•✔✔••••••—"],
    ["Restore command", "•✔✔••••••—"],
    ["Run command", "•✔✔••••••—"],
    ["Manage command", "•✔✔••••••—"],
    ["Freeze command", "•✔✔••••••—"],
    ["Unfreeze command", "•✔✔••••••—"],
    ["Query command", "•✔✔•••••✔—"],
    ["Helper command(s)", "••••••••✔—"],
  ],
  [
    ["Dump middleware", "•✔✔✔•••••—"],
    ["Dump handler", "•••••••••—"],
    ["Dump VM middleware", "✔•••✔••••—"],
    ["Dump VM handler", "✔••••••••—"],
    ["Restore middleware", "•✔✔✔•••••—"],
    ["Restore middleware (late)", "•✔•••••••—"],
    ["Restore handler", "••✔••••••—"],
    ["Restore VM middleware", "✔•••✔••••—"],
    ["Restore VM handler", "✔••••••••—"],
    ["Freeze handler", "•✔✔••••••—"],
    ["Unfreeze handler", "•✔✔••••••—"],
  ],
  [
    ["Run handler", "•✔✔✔•••••—"],
    ["Run handler (serverless)", "•✔•••••••—"],
    ["Run middleware", "•✔✔✔•••••—"],
    ["Run middleware (late)", "•••••••••—"],
    ["Manage handler", "•✔✔••••••—"],
    ["Custom kill signal", "•✔✔•✔••••—"],
    ["Custom cleanup", "•✔✔••••••—"],
    ["Custom reaper", "•✔•••••••—"],
  ],
  [
    ["GPU interception", "•✔✔••••••—"],
    ["GPU interception restore", "•✔✔••••••—"],
    ["GPU tracing", "•✔✔••••••—"],
    ["GPU tracing restore", "•✔✔••••••—"],
  ],
  [
    ["Checkpoint storage", "•••••✔✔••—"],
    ["Query handler", "•✔✔•••••✔—"],
    ["Health checks", "•✔✔•✔✔✔••—"],
  ],
] as const;

/** Name of a row of the matrix. */
export type Feature = (typeof GROUPS)[number][number][0];

export interface FeatureRow {
  readonly feature: Feature;
  readonly support: Readonly<Record<Plugin, Support>>;
}

const STATES = new Map(Object.entries(MARKS).map(([support, mark]) => [mark, support as Support]));

function readRow([feature, marks]: readonly [Feature, string]): FeatureRow {
  const states = Array.from(marks, (mark) => STATES.get(mark)!);
  const support = Object.fromEntries(PLUGINS.map((plugin, index) => [plugin, states[index]!]));
  return { feature, support: support as Record<Plugin, Support> };
}

/** Lists the rows in the groups in which they are printed. */
export const FEATURE_MATRIX: readonly (readonly FeatureRow[])[] = GROUPS.map((group) => group.map(readRow));

const ROWS = new Map(FEATURE_MATRIX.flat().map((row) => [row.feature, row]));

/** Returns the support of a feature by a plugin. */
export function supportOf(feature: Feature, plugin: Plugin): Support {
  return ROWS.get(feature)!.support[plugin];
}

/** Returns the plugins that implement all of the features. */
export function pluginsWith(features: readonly Feature[]): Plugin[] {
  return PLUGINS.filter((plugin) =>
    features.every((feature) => supportOf(feature, plugin) === "implemented"),
  );
}

const GAP = "  ";
const TITLE = "FEATURE";

/** Renders the matrix as a text table: features aligned right, marks centered in their columns, legend below. */
export function renderFeatureTable(): string {
  const width = Math.max(...FEATURE_MATRIX.flat().map((row) => row.feature.length));
  const header = [TITLE.padStart(width), ...PLUGINS.map((plugin) => plugin.toUpperCase())].join(GAP);
  const groups = FEATURE_MATRIX.map((rows) => rows.map((row) => renderRow(row, width)).join("\n"));
  const legend = Object.entries(MARKS).map(([support, mark]) => `${mark} = ${support.replace("-", " ")}`);
  const external = `Not showing external plugins: ${EXTERNAL_PLUGINS.join(", ")}`;
  return `${header}\n${groups.join("\n\n")}\n\n${legend.join(", ")}\n${external}\n`;
}

function renderRow(row: FeatureRow, width: number): string {
  const marks = PLUGINS.map((plugin) => centered(MARKS[row.support[plugin]], plugin));
  return [row.feature.padStart(width), ...marks].join(GAP).trimEnd();
}

function centered(mark: string, plugin: Plugin): string {
  const left = Math.floor(plugin.length / 2);
  return mark.padStart(left + 1).padEnd(plugin.length);
}

/** Returns the matrix as JSON: `{ plugins, externalPlugins, features: [{ feature, support: { plugin: state } }] }`. */
export function featureTableJson() {
  return {
    plugins: PLUGINS,
    externalPlugins: EXTERNAL_PLUGINS,
    features: FEATURE_MATRIX.flat(),
  };
}
