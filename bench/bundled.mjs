// Bundles a benchmark in TypeScript into one file and runs it with the arguments of this command.
import { spawn } from "node:child_process";
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";

const root = join(import.meta.dirname, "..");

/** Options of esbuild for a program that Node.js runs. */
export const BUNDLE = { bundle: true, platform: "node", target: "node20.19", logLevel: "warning" };

/**
 * @param name directory of the benchmark, which has a main.ts
 * @param env additional environment variables
 */
export async function runBench(name, env = {}) {
  // Modules of testbed/ find the repository two directories above: keep this depth.
  const directory = join(root, `out/bench-${name}`);
  mkdirSync(directory, { recursive: true });
  const outfile = join(directory, "main.cjs");
  await build({ ...BUNDLE, entryPoints: [join(root, "bench", name, "main.ts")], outfile });
  const child = spawn(process.execPath, [outfile, ...process.argv.slice(2)], {
    stdio: "inherit",
    cwd: root,
    env: { ...process.env, ...env },
  });
  child.on("exit", (code) => {
    rmSync(directory, { recursive: true, force: true });
    process.exitCode = code ?? 1;
  });
}
