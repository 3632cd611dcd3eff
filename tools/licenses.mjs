// Collects the third-party notices of a bundle: name, version, licence and licence text of each package.
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";

/** Returns the directories of the packages in a bundle, from esbuild's metafile. */
function packages(metafile) {
  const directories = Object.keys(metafile.inputs)
    .map((path) => path.match(/^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//)?.[1])
    .filter((directory) => directory !== undefined);
  return [...new Set(directories)].toSorted();
}

export function notices(root, metafile) {
  const all = packages(metafile).map((directory) => {
    const { name, version, license, repository, author } = JSON.parse(
      readFileSync(join(root, directory, "package.json"), "utf8"),
    );
    const file = readdirSync(join(root, directory)).find((entry) => /^licen[cs]e/i.test(entry));
    const source = typeof repository === "string" ? repository : repository?.url;
    const text = file
      ? readFileSync(join(root, directory, file), "utf8").trim()
      : `The package contains no licence text. Author: ${author?.name ?? author ?? "see the source"}`;
    return `${name} ${version} (${license ?? "see below"})\nSource: ${source ?? "the npm registry"}\n\n${text}\n`;
  });
  // One version can be installed in several directories.
  return [...new Set(all)].join(`\n${"-".repeat(80)}\n\n`);
}
