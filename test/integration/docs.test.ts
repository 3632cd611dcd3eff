/** Type-checks the programs of the docs against the built package. */
import { execFileSync } from "node:child_process";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { writePrograms, programs } from "../support/docs-programs";
import { ROOT } from "../support/sources";

test("all programs of the docs pass the type check", () => {
  expect(programs.length).toBeGreaterThan(0);
  const folder = writePrograms("docs-types");
  const config = {
    extends: join(ROOT, "tsconfig.json"),
    compilerOptions: { noEmit: true, types: ["node"], rootDir: ROOT, composite: false, declaration: false },
    include: [join(folder, "*.ts")],
    exclude: [],
  };
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(config));
  const tsc = join(ROOT, "node_modules/typescript/bin/tsc");
  try {
    execFileSync(process.execPath, [tsc, "-p", folder], { stdio: "pipe" });
  } catch (error) {
    throw new Error(String((error as { stdout?: unknown }).stdout), { cause: error });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
