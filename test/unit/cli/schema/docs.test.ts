import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { propertyTables, withKindSections } from "../../../../cli/schema/property-table";
import { renderCriuTable } from "../../../../config/engines/criu";
import { renderFeatureTable } from "../../../../config/features";
import { ROOT } from "../../../support/sources";

const MARK = "<!-- properties -->\n";

/** Returns a page as stored and as generated. Stores the generated one first if UPDATE_GOLDEN is 1. */
function pages(file: string, generate: (page: string) => string) {
  const path = join(ROOT, file);
  const generated = generate(readFileSync(path, "utf8"));
  if (process.env["UPDATE_GOLDEN"] === "1") writeFileSync(path, generated);
  return { page: readFileSync(path, "utf8"), generated };
}

test("docs/cedana-yaml.md has the property tables of the schema", () => {
  const tables = (page: string) => `${page.split(MARK)[0]}${MARK}\n${propertyTables()}`;
  const { page, generated } = pages("docs/cedana-yaml.md", tables);
  expect(page).toBe(generated);
});

test("docs/kubernetes/crds.md has the fields, rules and columns of each kind", () => {
  const { page, generated } = pages("docs/kubernetes/crds.md", withKindSections);
  expect(page).toBe(generated);
});

test("docs/features.md has the feature tables of the program", () => {
  const page = readFileSync(join(ROOT, "docs/features.md"), "utf8");
  for (const table of [renderFeatureTable(), renderCriuTable()]) expect(page).toContain(table);
});
