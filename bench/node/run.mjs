// Measures checkpoints of the engine `kubelet` on a real node against the bare floor; docs/agent/performance.md shows what it measures.
//
//   npm run bench:node -- [--sizes 1,64,256,1024] [--rounds 5]
//
// Needs what the node tier needs (docs/testing.md): root, buildah, and CEDANA_TESTBED.
import { spawn } from "node:child_process";
import { mkdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, "../..");
// What is bundled finds the repository two folders above its own.
const folder = join(root, "out/bench-node");
mkdirSync(folder, { recursive: true });
const outfile = join(folder, "main.cjs");
await build({
  entryPoints: [join(here, "main.ts")],
  outfile,
  bundle: true,
  platform: "node",
  target: "node20.19",
  logLevel: "warning",
});
const child = spawn(process.execPath, [outfile, ...process.argv.slice(2)], {
  stdio: "inherit",
  cwd: root,
});
child.on("exit", (code) => {
  rmSync(folder, { recursive: true, force: true });
  process.exitCode = code ?? 1;
});
