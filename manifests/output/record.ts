import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { OutputError } from "./errors";
import { RECORD, checkPaths } from "./paths";

/** What an earlier run wrote. */
export interface TreeRecord {
  readonly owner: string;
  /** Path and SHA-256 of each file. */
  readonly files: ReadonlyMap<string, string>;
}

const OWNER = /^# Written by (.*)\. It replaces /;

export function sha256(data: string | Buffer): string {
  return createHash("sha256").update(data).digest("hex");
}

/** In the format of `sha256sum`, which takes the first line for a comment. Sorted: git merges it line by line. */
export function formatRecord({ owner, files }: TreeRecord): string {
  const lines = [...files]
    .map(([path, hash]) => `${hash}  ${path}\n`)
    .toSorted((a, b) => (a.slice(64) < b.slice(64) ? -1 : 1));
  return `# Written by ${owner}. It replaces or removes the files below when it runs again, and no other. Check: sha256sum -c ${RECORD}\n${lines.join("")}`;
}

/** @throws OutputError if the record cannot be read as one. */
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
  const files = new Map(entries.map((match) => [match?.[2] ?? "", match?.[1] ?? ""]));
  if (owner === undefined || entries.includes(null) || checkPaths(files.keys()).length > 0) {
    const message = "is not as it was written, so what an earlier run wrote is not known";
    const remedy = "restore it from git, or remove it: files that lie where new ones shall are then refused";
    throw new OutputError(dir, [{ code: "record", path: RECORD, message, remedy }]);
  }
  return { owner, files };
}
