// Builds dist/: the library by tsc (CommonJS and declarations), the programs of bin/ by esbuild. The programs of pods are
// no part of the package: each is one file for its image.
//
//   --without-types   no declarations, and types are not checked: the same JavaScript in a third of the time
import { execFileSync } from "node:child_process";
import { readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { buildPodProgram, POD_PROGRAMS } from "./pod-bundle.mjs";
import { notices } from "./licenses.mjs";
import { bundlePrograms } from "./programs.mjs";

const root = dirname(import.meta.dirname);
const dist = join(root, "dist");
const tsc = join(root, "node_modules/typescript/bin/tsc");

rmSync(dist, { recursive: true, force: true });
const unchecked = process.argv.includes("--without-types") ? ["--noCheck", "--declaration", "false"] : [];
execFileSync(process.execPath, [tsc, "-p", join(root, "tsconfig.build.json"), ...unchecked], {
  stdio: "inherit",
});

takeValibotAsItIs();

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

/**
 * tsc copies all 320 names of valibot, as getters, into each module that imports it by namespace: a fifth of the time that
 * the library takes to load. Nothing here uses its default export, which is what the copy is for.
 */
function takeValibotAsItIs() {
  for (const entry of readdirSync(dist, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !entry.name.endsWith(".js")) continue;
    const file = join(entry.parentPath, entry.name);
    const text = readFileSync(file, "utf8");
    const plain = text.replaceAll('__importStar(require("valibot"))', 'require("valibot")');
    if (plain !== text) writeFileSync(file, plain);
  }
}
