// Measures the controller with thousands of simulated nodes; docs/controller/performance.md shows what it measures.
//
//   npm run bench:controller -- [--nodes 1000,5000] [--pods 100000] [--rounds 3]
//
// CEDANA_TESTBED names the folder of a Kubernetes test bed with the commands up and down; or CEDANA_PEERS_KUBECONFIG
// leads to a cluster of it that runs already and may be filled.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, "../..");
const folder = mkdtempSync(join(tmpdir(), "cedana-bench-"));
const outfile = join(folder, "main.cjs");
await build({
  entryPoints: [join(here, "main.ts")],
  outfile,
  bundle: true,
  platform: "node",
  target: "node20.19",
  logLevel: "warning",
});
const program = process.env.CEDANA_PEERS_CONTROLLER ?? join(root, "dist/controller.js");
const child = spawn(process.execPath, [outfile, ...process.argv.slice(2)], {
  stdio: "inherit",
  env: { ...process.env, CEDANA_PEERS_CONTROLLER: program, CEDANA_BENCH_ROOT: root },
});
child.on("exit", (code) => {
  rmSync(folder, { recursive: true, force: true });
  process.exitCode = code ?? 1;
});
