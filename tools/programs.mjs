// How a program becomes one file, and how it is started: the same for what is shipped and for what is measured.
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { lazy } from "./lazy.mjs";

/** esbuild options. Names are kept, so that a stack trace can be read. */
export const BUNDLE = {
  bundle: true,
  minifySyntax: true,
  minifyWhitespace: true,
  platform: "node",
  target: "node20.19",
  format: "cjs",
  logLevel: "warning",
  legalComments: "none",
};

export const PLUGINS = [lazy];

/** Folder of the bundles, beside the files that start them. */
export const BUNDLES = "bundles";

/**
 * Writes the file that starts the bundle of the same name. The compiled bundle is kept in the user's own cache folder
 * (Node 22 and newer), not in one that others can write to.
 */
export function writeProgram(folder, name) {
  const file = join(folder, name);
  writeFileSync(
    file,
    `#!/usr/bin/env node
const { join } = require("node:path");
const cache = process.env.XDG_CACHE_HOME || join(require("node:os").homedir(), ".cache");
require("node:module").enableCompileCache?.(join(cache, "cedana-cdk"));
require("./${BUNDLES}/${name}");
`,
  );
  chmodSync(file, 0o755);
  return file;
}
