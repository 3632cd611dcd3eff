// Builds dist/: the library by tsc (CommonJS and declarations), each program of bin/ as one file by esbuild. The controller
// and the agent are no programs of the package's users but of images: each is one file with nothing beside it.
//
//   --without-types   no declarations, and types are not checked: the same JavaScript in a third of the time
import { execFileSync } from "node:child_process";
import { readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { dirname, join } from "node:path";
import { build } from "esbuild";
import { documentInputs } from "./declarations.mjs";
import { buildPodProgram, POD_PROGRAMS } from "./pod-bundle.mjs";
import { notices } from "./licenses.mjs";
import { BUNDLE, BUNDLES, PLUGINS, writeProgram } from "./programs.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const dist = join(root, "dist");
const tsc = join(root, "node_modules/typescript/bin/tsc");

const CLUSTER_CLIENT = "cluster-client";
/** Only `diff --cluster` speaks to a cluster; with its client in the same file every command would compile 1 MB more. */
const clusterClientApart = {
  name: "cluster-client-apart",
  setup(bundle) {
    bundle.onResolve({ filter: /\/kube\/client$/ }, () => ({
      path: `./${CLUSTER_CLIENT}.js`,
      external: true,
    }));
  },
};

rmSync(dist, { recursive: true, force: true });
const typed = !process.argv.includes("--without-types");
const unchecked = typed ? [] : ["--noCheck", "--declaration", "false"];
execFileSync(process.execPath, [tsc, "-p", join(root, "tsconfig.build.json"), ...unchecked], {
  stdio: "inherit",
});
if (typed) await documentInputs(root, dist);

takeValibotAsItIs();

const programs = readdirSync(join(root, "bin"))
  .filter((name) => name.endsWith(".ts"))
  .map((name) => name.replace(/\.ts$/, ""))
  .filter((name) => !POD_PROGRAMS.includes(name));
const { metafile } = await build({
  ...BUNDLE,
  absWorkingDir: root,
  entryPoints: {
    ...Object.fromEntries(programs.map((name) => [name, `bin/${name}.ts`])),
    [CLUSTER_CLIENT]: "kube/client/index.ts",
  },
  outdir: join("dist/bin", BUNDLES),
  metafile: true,
  plugins: [...PLUGINS, clusterClientApart],
});
writeFileSync(join(dist, "bin/THIRD-PARTY-NOTICES.txt"), notices(root, metafile));
for (const name of programs) writeProgram(join(dist, "bin"), `${name}.js`);
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
