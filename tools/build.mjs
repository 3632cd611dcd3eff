// Builds dist/: the library by tsc (CommonJS and declarations), each program of bin/ as one file by esbuild.
import { execFileSync } from "node:child_process";
import { chmodSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { dirname, join } from "node:path";
import { build } from "esbuild";
import { lazy } from "./lazy.mjs";
import { notices } from "./licenses.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const dist = join(root, "dist");
const tsc = join(root, "node_modules/typescript/bin/tsc");

const CLUSTER_CLIENT = "cluster-client";
/** Only `diff --cluster` speaks to a cluster; with its client in the same file every command would compile 2 MB more. */
const clusterClientApart = {
  name: "cluster-client-apart",
  setup(bundle) {
    bundle.onResolve({ filter: /\/clients\/kubernetes$/ }, () => ({
      path: `./${CLUSTER_CLIENT}.js`,
      external: true,
    }));
  },
};

rmSync(dist, { recursive: true, force: true });
execFileSync(process.execPath, [tsc, "-p", join(root, "tsconfig.build.json")], { stdio: "inherit" });

const programs = readdirSync(join(root, "bin")).filter((name) => name.endsWith(".ts"));
const { metafile } = await build({
  absWorkingDir: root,
  entryPoints: {
    ...Object.fromEntries(programs.map((name) => [name.replace(/\.ts$/, ""), `bin/${name}`])),
    [CLUSTER_CLIENT]: "clients/kubernetes/index.ts",
  },
  outdir: "dist/bin/bundles",
  bundle: true,
  metafile: true,
  minifySyntax: true,
  minifyWhitespace: true,
  platform: "node",
  target: "node20.19",
  format: "cjs",
  logLevel: "warning",
  legalComments: "none",
  plugins: [lazy, clusterClientApart],
});
writeFileSync(join(dist, "bin/THIRD-PARTY-NOTICES.txt"), notices(root, metafile));
for (const name of programs) writeProgram(name.replace(/\.ts$/, ".js"));
writeFileSync(
  join(dist, "cedana.schema.json"),
  execFileSync(process.execPath, [join(dist, "bin/cedana-cdk.js"), "schema"]),
);

/** The compiled bundle is kept in the user's own cache folder (Node 22 and newer), not in one that others can write to. */
function writeProgram(name) {
  const file = join(dist, "bin", name);
  writeFileSync(
    file,
    `#!/usr/bin/env node
const { join } = require("node:path");
const cache = process.env.XDG_CACHE_HOME || join(require("node:os").homedir(), ".cache");
require("node:module").enableCompileCache?.(join(cache, "cedana-cdk"));
require("./bundles/${name}");
`,
  );
  chmodSync(file, 0o755);
}
