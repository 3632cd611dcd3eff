// Builds dist/: the library by tsc (CommonJS and declarations), the programs of bin/ by esbuild. The programs of pods are
// no part of the package: each is one file for its image.
//
//   --without-types   no declarations, and types are not checked: the same JavaScript in a third of the time
import { execFileSync } from "node:child_process";
import { readdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { documentInputs } from "./declarations.mjs";
import { buildPodProgram, POD_PROGRAMS } from "./pod-bundle.mjs";
import { notices } from "./licenses.mjs";
import { bundlePrograms } from "./programs.mjs";

const root = dirname(import.meta.dirname);
const dist = join(root, "dist");
const tsc = join(root, "node_modules/typescript/bin/tsc");

rmSync(dist, { recursive: true, force: true });
const typed = !process.argv.includes("--without-types");
const unchecked = typed ? [] : ["--noCheck", "--declaration", "false"];
execFileSync(process.execPath, [tsc, "-p", join(root, "tsconfig.build.json"), ...unchecked], {
  stdio: "inherit",
});
if (typed) await documentInputs(root, dist);

const programs = readdirSync(join(root, "bin"))
  .map((file) => file.replace(/\.ts$/, ""))
  .filter((name) => !POD_PROGRAMS.includes(name));
const entryPoints = Object.fromEntries(programs.map((name) => [name, `bin/${name}.ts`]));
const metafile = await bundlePrograms(root, entryPoints, join(dist, "bin"));
writeFileSync(join(dist, "bin/THIRD-PARTY-NOTICES.txt"), notices(root, metafile));
for (const name of POD_PROGRAMS) await buildPodProgram(root, name);
writeFileSync(
  join(dist, "cedana.schema.json"),
  execFileSync(process.execPath, [join(dist, "bin/cedana-cdk.js"), "schema"]),
);
