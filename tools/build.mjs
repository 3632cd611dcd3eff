// Builds dist/: the library by tsc (CommonJS and declarations), each program of bin/ as one file by esbuild.
import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { dirname, join } from "node:path";
import { build } from "esbuild";
import { notices } from "./licenses.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const tsc = join(root, "node_modules/typescript/bin/tsc");

rmSync(join(root, "dist"), { recursive: true, force: true });
execFileSync(process.execPath, [tsc, "-p", join(root, "tsconfig.build.json")], { stdio: "inherit" });

const programs = existsSync(join(root, "bin"))
  ? readdirSync(join(root, "bin")).filter((name) => name.endsWith(".ts"))
  : [];
if (programs.length > 0) {
  const { metafile } = await build({
    metafile: true,
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
  writeFileSync(join(root, "dist/bin/THIRD-PARTY-NOTICES.txt"), notices(root, metafile));
  for (const name of programs) chmodSync(join(root, "dist/bin", name.replace(/\.ts$/, ".js")), 0o755);
}
