// Runs the controller with the current kubeconfig, for development: npm run controller -- [--file cedana.yaml] [flags of the
// controller]. Derives its settings from the file unless --settings is given. An installed controller holds the Lease: scale
// it to 0 first.
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { buildPodProgram } from "./pod-bundle.mjs";
import { BUNDLE } from "./programs.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const directory = mkdtempSync(join(tmpdir(), "cedana-controller-"));
process.on("exit", () => rmSync(directory, { recursive: true, force: true }));

const flags = process.argv.slice(2);
const program = await buildPodProgram(root, "controller", directory);
if (!flags.some((flag) => /^--(settings|help|version)\b/.test(flag))) {
  flags.push("--settings", await settingsOf(takeFile()));
}
const child = spawn(process.execPath, [program, ...flags], { stdio: "inherit" });
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => child.kill(signal));
child.on("exit", (code) => process.exit(code ?? 1));

/** Removes --file from the flags for the controller and returns its value. */
function takeFile() {
  const at = flags.indexOf("--file");
  return at < 0 ? "cedana.yaml" : flags.splice(at, 2)[1];
}

async function settingsOf(file) {
  const { controllerSettings, formatLocated, readPlatform } = await load(
    `export * from "./config/programs/controller"; export * from "./config/platform/file";`,
  );
  const { platform, problems = [] } = readPlatform(readFileSync(file));
  if (!platform?.engine || !platform.install) {
    const messages = problems.map((problem) => formatLocated(file, problem)).join("\n");
    process.stderr.write(`${messages || `${file}: has no engine or no install to derive settings from`}\n`);
    process.exit(2);
  }
  const settings = join(directory, "settings.json");
  writeFileSync(settings, JSON.stringify(controllerSettings(platform.engine, platform.install)));
  return settings;
}

/** Bundles and loads sources, without a build of the whole library. */
async function load(contents) {
  const outfile = join(directory, "core.cjs");
  await build({ ...BUNDLE, absWorkingDir: root, outfile, stdin: { contents, resolveDir: root } });
  return createRequire(import.meta.url)(outfile);
}
