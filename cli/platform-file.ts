import { readFileSync, statSync } from "node:fs";
import { basename, dirname, resolve } from "node:path";
import { formatLocated, MAX_BYTES, readPlatform, type Platform } from "../config/platform";
import { CommandError, EXIT } from "./exit";

export const DEFAULT_FILE = "cedana.yaml";

export interface LoadedPlatform {
  readonly platform: Platform;
  /** Absolute path of the directory that the file is in. */
  readonly root: string;
  /** Name of the file, as it was given. */
  readonly file: string;
}

export interface LoadOptions {
  /** Goes before `output.format` of the file. */
  readonly format?: Platform["output"]["format"];
}

/** Problems beyond these are counted, not printed. */
const MAX_PRINTED = 200;

/**
 * Reads and checks a platform file.
 * @throws CommandError (exit code 2) with every problem of the file.
 */
export function loadPlatform(file: string, { format }: LoadOptions = {}): LoadedPlatform {
  const read = readPlatform(readSource(file));
  if (!read.problems) {
    const output = { ...read.platform.output, ...(format === undefined ? {} : { format }) };
    return { platform: { ...read.platform, output }, root: dirname(resolve(file)), file };
  }
  const lines = read.problems.slice(0, MAX_PRINTED).map((problem) => formatLocated(file, problem));
  const rest = read.problems.length - lines.length;
  if (rest > 0) lines.push(`... and ${rest} more`);
  const count = read.problems.length === 1 ? "1 problem" : `${read.problems.length} problems`;
  throw new CommandError(
    `${lines.join("\n")}\n${count} in ${basename(file)}; nothing was written`,
    EXIT.badInput,
  );
}

function readSource(file: string): Uint8Array | string {
  try {
    const { size } = statSync(file);
    if (size > MAX_BYTES) return Buffer.alloc(size);
    return readFileSync(file);
  } catch (error) {
    throw new CommandError(cannotRead(file, error as NodeJS.ErrnoException), EXIT.badInput);
  }
}

function cannotRead(file: string, { code }: NodeJS.ErrnoException): string {
  if (code === "ENOENT") return `${file}: there is no such file; cedana-cdk init writes one`;
  if (code === "EISDIR") return `${file}: is a directory; give the file in it: ${file}/${DEFAULT_FILE}`;
  return `${file}: cannot be read (${code ?? "unknown error"})`;
}
