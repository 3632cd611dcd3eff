// The notices of what a bundle contains: name, version, licence and licence text of each package in it.
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";

/** Folders of the packages whose files are in the bundle, from esbuild's metafile. */
function packages(metafile) {
  const folders = Object.keys(metafile.inputs)
    .map((path) => path.match(/^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//)?.[1])
    .filter((folder) => folder !== undefined);
  return [...new Set(folders)].toSorted();
}

export function notices(root, metafile) {
  const all = packages(metafile).map((folder) => {
    const { name, version, license, repository, author } = JSON.parse(
      readFileSync(join(root, folder, "package.json"), "utf8"),
    );
    const file = readdirSync(join(root, folder)).find((entry) => /^licen[cs]e/i.test(entry));
    const source = typeof repository === "string" ? repository : repository?.url;
    const text = file
      ? readFileSync(join(root, folder, file), "utf8").trim()
      : `The package has no text of its licence. Author: ${author?.name ?? author ?? "see the source"}`;
    return `${name} ${version} (${license ?? "see below"})\nSource: ${source ?? "the npm registry"}\n\n${text}\n`;
  });
  // One version may lie in several folders.
  return [...new Set(all)].join(`\n${"-".repeat(80)}\n\n`);
}
