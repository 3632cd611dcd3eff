import { readFileSync, readdirSync } from "node:fs";
import { join, posix, relative, sep } from "node:path";

export const ROOT = join(__dirname, "../..");

export interface Source {
  /** Path from the root of the repository, with slashes. */
  readonly path: string;
  readonly text: string;
  /** Specifiers of its imports, as written. */
  readonly imports: readonly string[];
}

/** Returns the files of a directory of the repository whose names match. */
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

/** Resolves a relative import to a path from the root of the repository, without /index.js. Returns others unchanged. */
export function target(source: Pick<Source, "path">, specifier: string): string {
  if (!specifier.startsWith(".")) return specifier;
  return posix.join(posix.dirname(source.path), specifier.replace(/(\/index)?\.js$/, ""));
}
