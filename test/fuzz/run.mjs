// Bundles the fuzzer and its worker, and runs it with the arguments of this command: see main.ts.
import { spawn } from "node:child_process";
import { join } from "node:path";
import { build } from "esbuild";

const root = join(import.meta.dirname, "../..");
const outdir = join(root, "out/fuzz/program");
await build({
  bundle: true,
  platform: "node",
  target: "node20.19",
  logLevel: "warning",
  entryPoints: { main: join(root, "test/fuzz/main.ts"), worker: join(root, "test/fuzz/worker.ts") },
  outdir,
});
const child = spawn(process.execPath, [join(outdir, "main.js"), ...process.argv.slice(2)], {
  stdio: "inherit",
  cwd: root,
});
child.on("exit", (code) => {
  process.exitCode = code ?? 1;
});
