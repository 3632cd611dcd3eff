import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { writePrograms, programs } from "../support/docs-programs";
import { runPrograms } from "../support/programs";

let folder: string;
beforeAll(() => {
  folder = writePrograms("docs-test");
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("all programs of the docs run", async () => {
  const runs = programs.map(({ name }) => ({
    file: join(folder, `${name}.js`),
    folder: mkdtempSync(join(tmpdir(), `${name}-`)),
  }));
  try {
    expect(await runPrograms(runs)).toEqual({});
    const idle = runs.filter(({ folder }) => readdirSync(folder).length === 0).map(({ file }) => file);
    expect(idle.filter((file) => /\.synth\(\)/.test(readFileSync(file, "utf8")))).toEqual([]);
  } finally {
    for (const { folder } of runs) rmSync(folder, { recursive: true, force: true });
  }
});
