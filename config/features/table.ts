import { EXTERNAL_PLUGINS, FEATURE_MATRIX, MARKS, PLUGINS, type FeatureRow, type Plugin } from "./matrix";

const GAP = "  ";
const TITLE = "FEATURE";

/** The matrix as a table for people: features to the right, marks in the middle of their columns, legend below. */
export function renderFeatureTable(): string {
  const width = Math.max(...FEATURE_MATRIX.flat().map((row) => row.feature.length));
  const header = [TITLE.padStart(width), ...PLUGINS.map((plugin) => plugin.toUpperCase())].join(GAP);
  const groups = FEATURE_MATRIX.map((rows) => rows.map((row) => renderRow(row, width)).join("\n"));
  const legend = Object.entries(MARKS).map(([support, mark]) => `${mark} = ${support.replace("-", " ")}`);
  const external = `Not showing external plugins: ${EXTERNAL_PLUGINS.join(", ")}`;
  return `${header}\n${groups.join("\n\n")}\n\n${legend.join(", ")}\n${external}\n`;
}

function renderRow(row: FeatureRow, width: number): string {
  const marks = PLUGINS.map((plugin) => centred(MARKS[row.support[plugin]], plugin));
  return [row.feature.padStart(width), ...marks].join(GAP).trimEnd();
}

function centred(mark: string, plugin: Plugin): string {
  const left = Math.floor(plugin.length / 2);
  return mark.padStart(left + 1).padEnd(plugin.length);
}

/** The matrix for programs: `{ plugins, externalPlugins, features: [{ feature, support: { plugin: state } }] }`. */
export function featureTableJson() {
  return {
    plugins: PLUGINS,
    externalPlugins: EXTERNAL_PLUGINS,
    features: FEATURE_MATRIX.flat(),
  };
}
