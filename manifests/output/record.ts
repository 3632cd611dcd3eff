import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { OutputError, RECORD, defectOf } from "./paths";

/** The managed files of a directory. */
export interface TreeRecord {
  readonly owner: string;
  /** SHA-256 sums by path: one, or the old and the new one after a run that stopped early. */
  readonly files: ReadonlyMap<string, readonly string[]>;
}

const OWNER = /^# Written by (.*)\. It replaces /;

/** Returns the SHA-256 sum in hex. */
export function sha256(data: string | Buffer): string {
  return createHash("sha256").update(data).digest("hex");
}

/** Returns the record in the format of `sha256sum`, which skips the first line. Sorted, so that git merges it by line. */
export function formatRecord({ owner, files }: TreeRecord): string {
  const lines = [...files]
    .flatMap(([path, hashes]) => hashes.map((hash) => `${hash}  ${path}\n`))
    .toSorted((a, b) => (a.slice(64) < b.slice(64) ? -1 : 1));
  return `# Written by ${owner}. It replaces or removes the files below when it runs again, and no other. Check: sha256sum -c ${RECORD}\n${lines.join("")}`;
}

/** Returns a record that has the files and hashes of both. */
export function mergeRecords(earlier: TreeRecord, { owner, files }: TreeRecord): TreeRecord {
  const merged = new Map(earlier.files);
  for (const [path, hashes] of files)
    merged.set(path, [...new Set([...(merged.get(path) ?? []), ...hashes])]);
  return { owner, files: merged };
}

/** Reads the record of a directory. @throws OutputError if it was edited: it could contain a path outside of the directory */
export function readRecord(dir: string): TreeRecord | undefined {
  let text: string;
  try {
    text = readFileSync(join(dir, RECORD), "utf8").replaceAll("\r\n", "\n");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  const owner = OWNER.exec(text)?.[1];
  const lines = text
    .split("\n")
    .slice(1)
    .filter((line) => line !== "");
  const entries = lines.map((line) => /^([0-9a-f]{64}) {2}(.+)$/.exec(line));
  const files = new Map<string, string[]>();
  for (const [, hash = "", path = ""] of entries.filter((entry) => entry !== null)) {
    files.set(path, [...(files.get(path) ?? []), hash]);
  }
  const unsafe = [...files.keys()].some((path) => defectOf(path) !== undefined);
  if (owner === undefined || entries.includes(null) || unsafe) {
    const message = "is damaged, so the managed files are unknown";
    const remedy = "restore it from git; or delete it, then existing files that differ need --force";
    throw new OutputError(dir, [{ code: "invalid-record", path: RECORD, message, remedy }]);
  }
  return { owner, files };
}
