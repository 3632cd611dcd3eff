import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { ROOT } from "../support/sources";

const run = promisify(execFile);
const examples = readdirSync(join(ROOT, "examples"), { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => name);

/** Every file that the example writes, by its path. */
async function made(example: string): Promise<Record<string, string>> {
  const cwd = mkdtempSync(join(tmpdir(), `${example}-`));
  try {
    await run(process.execPath, [join(ROOT, "dist/examples", example, "main.js")], { cwd });
    const written = readdirSync(cwd, { recursive: true, withFileTypes: true }).filter((entry) =>
      entry.isFile(),
    );
    return Object.fromEntries(
      written.map(({ parentPath, name }) => {
        const path = join(parentPath, name);
        return [path.slice(cwd.length + 1), readFileSync(path, "utf8").replaceAll(cwd, "")];
      }),
    );
  } finally {
    rmSync(cwd, { recursive: true, force: true });
  }
}

test.each(examples)(
  "%s is synthesized, twice to the same bytes",
  async (example) => {
    const files = await made(example);
    const paths = Object.keys(files);
    expect(paths.some((path) => path.endsWith("cdk.tf.json") || path.endsWith("kustomization.yaml"))).toBe(
      true,
    );
    expect(await made(example)).toEqual(files);
  },
  30_000,
);
