/** The tests that docs/security.md names for its claims exist. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

const ROOT = join(__dirname, "../..");
const page = readFileSync(join(ROOT, "docs/security.md"), "utf8").replaceAll(/\s+/g, " ");

/** Files in code marks, each with the names of tests that follow it in quotation marks. */
const NAMED = [...page.matchAll(/`((?:test|runtime)\/[^`]+)`((?:,? "[^"]+")*)/g)].map(([, file, names]) => ({
  file: file!,
  names: [...names!.matchAll(/"([^"]+)"/g)].map(([, name]) => name!),
}));

test("docs/security.md names tests for its claims", () => {
  expect(NAMED.length).toBeGreaterThan(15);
  expect(NAMED.flatMap(({ names }) => names).length).toBeGreaterThan(15);
});

test.each(NAMED)("$file exists and has the tests $names", ({ file, names }) => {
  const path = join(ROOT, file);
  expect(existsSync(path)).toBe(true);
  const text = readFileSync(path, "utf8");
  for (const name of names)
    expect(text).toContain(file.endsWith(".go") ? `func ${name}(t *testing.T)` : `test("${name}"`);
});
