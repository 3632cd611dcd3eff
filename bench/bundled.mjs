// Runs a bench that is written in TypeScript: bundled into one file, with the arguments of this command.
import { spawn } from "node:child_process";
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";

const root = join(import.meta.dirname, "..");

/** @param name folder of the bench, with its main.ts @param env set beside the environment */
export async function runBench(name, env = {}) {
  // What is bundled finds the repository two folders above its own.
  const folder = join(root, `out/bench-${name}`);
  mkdirSync(folder, { recursive: true });
  const outfile = join(folder, "main.cjs");
  await build({
    entryPoints: [join(root, "bench", name, "main.ts")],
    outfile,
    bundle: true,
    platform: "node",
    target: "node20.19",
    logLevel: "warning",
  });
  const child = spawn(process.execPath, [outfile, ...process.argv.slice(2)], {
    stdio: "inherit",
    cwd: root,
    env: { ...process.env, ...env },
  });
  child.on("exit", (code) => {
    rmSync(folder, { recursive: true, force: true });
    process.exitCode = code ?? 1;
  });
}
