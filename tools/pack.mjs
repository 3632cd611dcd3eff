// npm run pack [-- --pack-destination DIR]: builds everything and packs it as an npm package.
//
// npm cannot pack or publish the checkout, because its package.json has no version: dist/ may be missing there, be out
// of date or have no types, and npm runs no script here that could build it (.npmrc).
import { execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

const CONTENTS = ["dist", "README.md", "LICENSE", "CHANGELOG.md"];
/** Fields of package.json that only the checkout needs. */
const CHECKOUT_ONLY = ["private", "config", "scripts", "devDependencies", "overrides"];

const root = dirname(import.meta.dirname);
const folder = mkdtempSync(join(tmpdir(), "cedana-pack-"));
try {
  execFileSync(process.execPath, [join(root, "tools/build.mjs")], { stdio: "inherit" });
  for (const name of CONTENTS) cpSync(join(root, name), join(folder, name), { recursive: true });
  const manifest = published(JSON.parse(readFileSync(join(root, "package.json"), "utf8")));
  writeFileSync(join(folder, "package.json"), `${JSON.stringify(manifest, null, 2)}\n`);
  execFileSync("npm", ["pack", folder, ...process.argv.slice(2)], { stdio: "inherit" });
} catch (error) {
  if (error.status === undefined) throw error;
  process.exitCode = error.status ?? 1; // the command has printed why
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** Returns the package.json of the package. */
function published(manifest) {
  const fields = Object.entries(manifest).filter(([name]) => !CHECKOUT_ONLY.includes(name));
  return {
    ...Object.fromEntries(fields),
    type: "commonjs", // not in the checkout: tools/programs.mjs
    version: manifest.config.version,
    typesVersions: { "*": types(manifest.exports) },
  };
}

/** Returns the declarations of each entry, for programs that resolve modules as Node 10 did. */
function types(entries) {
  const code = Object.entries(entries).filter(([, file]) => file?.endsWith(".js"));
  return Object.fromEntries(
    code.map(([name, file]) => [name.slice(2), [file.slice(2).replace(/\.js$/, ".d.ts")]]),
  );
}
