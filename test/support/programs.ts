import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { ROOT } from "./sources";

const run = promisify(execFile);

/** A built program, and its working directory. */
export interface Run {
  readonly file: string;
  readonly folder: string;
}

/** Runs programs in one process, in this order. Returns the errors by directory. */
export async function runPrograms(runs: readonly Run[]): Promise<Readonly<Record<string, string>>> {
  const driver = join(ROOT, "test/support/run-each.cjs");
  const pairs = runs.flatMap(({ file, folder }) => [file, folder]);
  const { stdout } = await run(process.execPath, [driver, ...pairs], { maxBuffer: 64 * 1024 * 1024 });
  return JSON.parse(stdout.slice(stdout.lastIndexOf("\n") + 1)) as Record<string, string>;
}
