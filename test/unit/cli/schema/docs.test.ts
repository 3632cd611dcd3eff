import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { propertyTables } from "../../../../cli/schema/property-table";
import { renderFeatureTable } from "../../../../config/features";
import { ROOT } from "../../../support/sources";

const PAGE = join(ROOT, "docs/cedana-yaml.md");
const MARK = "<!-- properties -->\n";

test("the property table of docs/cedana-yaml.md is that of the schema", () => {
  const [before = ""] = readFileSync(PAGE, "utf8").split(MARK);
  const page = `${before}${MARK}\n${propertyTables()}`;
  if (process.env["UPDATE_GOLDEN"] === "1") writeFileSync(PAGE, page);
  expect(readFileSync(PAGE, "utf8")).toBe(page);
});

test("the matrix of docs/features.md is that of the program", () => {
  expect(readFileSync(join(ROOT, "docs/features.md"), "utf8")).toContain(renderFeatureTable());
});
