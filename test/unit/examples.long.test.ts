import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runPrograms } from "../support/programs";
import { ROOT } from "../support/sources";

const examples = readdirSync(join(ROOT, "examples"), { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => name);
const runs = examples.flatMap((name) =>
  ["once", "again"].map((time) => ({
    name,
    time,
    file: join(ROOT, "dist/examples", name, "main.js"),
    folder: mkdtempSync(join(tmpdir(), `${name}-`)),
  })),
);
let failures: Readonly<Record<string, string>>;

beforeAll(async () => {
  failures = await runPrograms(runs);
});

afterAll(() => {
  for (const { folder } of runs) rmSync(folder, { recursive: true, force: true });
});

/** Returns the files below the directory by path. */
function filesOf(folder: string): Record<string, string> {
  const written = readdirSync(folder, { recursive: true, withFileTypes: true });
  return Object.fromEntries(
    written
      .filter((entry) => entry.isFile())
      .map(({ parentPath, name }) => {
        const path = join(parentPath, name);
        return [path.slice(folder.length + 1), readFileSync(path, "utf8").replaceAll(folder, "")];
      }),
  );
}

test.each(examples)("synthesizes %s, twice with the same bytes", (example) => {
  const [once = "", again = ""] = runs.filter(({ name }) => name === example).map(({ folder }) => folder);
  expect(failures[once]).toBeUndefined();
  expect(failures[again]).toBeUndefined();
  const made = filesOf(once);
  const paths = Object.keys(made);
  expect(paths.some((path) => path.endsWith("cdk.tf.json") || path.endsWith("kustomization.yaml"))).toBe(
    true,
  );
  expect(filesOf(again)).toEqual(made);
});
