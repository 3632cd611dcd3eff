// Builds dist/: the library by tsc (CommonJS and declarations), each program of bin/ as one file by esbuild.
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, rmSync, chmodSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { dirname, join } from "node:path";
import { build } from "esbuild";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const tsc = join(root, "node_modules/typescript/bin/tsc");

rmSync(join(root, "dist"), { recursive: true, force: true });
execFileSync(process.execPath, [tsc, "-p", join(root, "tsconfig.build.json")], { stdio: "inherit" });

const programs = existsSync(join(root, "bin"))
  ? readdirSync(join(root, "bin")).filter((name) => name.endsWith(".ts"))
  : [];
if (programs.length > 0) {
  await build({
    absWorkingDir: root,
    entryPoints: programs.map((name) => `bin/${name}`),
    outdir: "dist/bin",
    bundle: true,
    platform: "node",
    target: "node20.19",
    format: "cjs",
    logLevel: "warning",
    legalComments: "none",
  });
  for (const name of programs) chmodSync(join(root, "dist/bin", name.replace(/\.ts$/, ".js")), 0o755);
}
