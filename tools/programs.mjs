// Bundles programs: one way for those of the package and for those that the benchmark measures.
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build, transform } from "esbuild";

/** Options of all output. Names are kept, so that a stack trace can be read. */
const OUTPUT = { minifySyntax: true, minifyWhitespace: true, platform: "node", target: "node20.19" };

/** Of the Kubernetes client only the kubeconfig is used. Its index loads the models of the whole API, 5 MB of code. */
const KUBECONFIG = join(dirname(fileURLToPath(import.meta.resolve("@kubernetes/client-node"))), "config.js");

/** cdk8s contains a copy of yaml, of the version that we use: 160 kB. */
const YAML = fileURLToPath(import.meta.resolve("yaml"));

/** esbuild options of a bundle. */
export const BUNDLE = {
  ...OUTPUT,
  bundle: true,
  logLevel: "warning",
  legalComments: "none",
  alias: {
    "@kubernetes/client-node": KUBECONFIG,
    archiver: join(import.meta.dirname, "no-archiver.cjs"),
    yaml: YAML,
  },
};

/** Directory of the bundled code, next to the files that start it. */
const BUNDLES = "bundles";

/**
 * Bundles programs (name: source file) into the directory: a file that starts each, and their code in chunks, so that a
 * command compiles no more than it runs. Returns esbuild's metafile.
 *
 * package.json has no `type`, although everything here is CommonJS: with it, esbuild puts each ES module into a function
 * that its importers call. That costs 7 % of the CPU time of a synth. tools/pack.mjs adds it for the package.
 */
export async function bundlePrograms(root, entryPoints, directory) {
  const { metafile, outputFiles } = await build({
    ...BUNDLE,
    absWorkingDir: root,
    entryPoints,
    outdir: join(directory, BUNDLES),
    splitting: true,
    format: "esm",
    write: false,
    metafile: true,
  });
  mkdirSync(join(directory, BUNDLES), { recursive: true });
  for (const { path, text } of outputFiles) writeFileSync(path, await commonJs(text));
  for (const name of Object.keys(entryPoints)) writeStart(join(directory, `${name}.js`));
  return metafile;
}

/** Converts a chunk. esbuild splits only ES modules, and Node 20 loads CommonJS faster (docs/performance.md). */
async function commonJs(text) {
  const supported = { "dynamic-import": false };
  return (await transform(text, { ...OUTPUT, format: "cjs", supported })).code;
}

/**
 * Writes the file that starts the bundle of the same name. Node >= 22.1 keeps the compiled code in the user's own cache
 * directory, not in one that others can write to. Deprecated functions that a dependency calls do not concern the user.
 */
function writeStart(file) {
  writeFileSync(
    file,
    `#!/usr/bin/env node
process.noDeprecation = true;
const { join } = require("node:path");
const cache = process.env.XDG_CACHE_HOME || join(require("node:os").homedir(), ".cache");
require("node:module").enableCompileCache?.(join(cache, "cedana-cdk"));
require("./${BUNDLES}/${basename(file)}");
`,
  );
  chmodSync(file, 0o755);
}
