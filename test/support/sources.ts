import { readFileSync, readdirSync } from "node:fs";
import { join, posix, relative, sep } from "node:path";

export const ROOT = join(__dirname, "../..");

export interface Source {
  /** Path from the root of the repository, with slashes. */
  readonly path: string;
  readonly text: string;
  /** What it imports, as written. */
  readonly imports: readonly string[];
}

/** All files below a folder of the repository whose path matches. */
export function files(folder: string, match: RegExp): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && match.test(entry.name))
    .map((entry) => relative(ROOT, join(entry.parentPath, entry.name)).split(sep).join("/"))
    .filter((path) => !path.includes("node_modules/"))
    .toSorted();
}

const IMPORT =
  /(?:^|\n)\s*(?:import|export)\b(?:[^;"']*?\bfrom)?\s*["']([^"']+)["']|\b(?:import|require)\(\s*["']([^"']+)["']\s*\)/g;

export function sources(...folders: readonly string[]): Source[] {
  return folders.flatMap((folder) =>
    files(folder, /\.ts$/).map((path) => {
      const text = readFileSync(join(ROOT, path), "utf8");
      return { path, text, imports: [...text.matchAll(IMPORT)].map((match) => match[1] ?? match[2] ?? "") };
    }),
  );
}

/** A relative import as a path from the root of the repository, without /index.js; others as they are. */
export function target(source: Pick<Source, "path">, specifier: string): string {
  if (!specifier.startsWith(".")) return specifier;
  return posix.join(posix.dirname(source.path), specifier.replace(/(\/index)?\.js$/, ""));
}
