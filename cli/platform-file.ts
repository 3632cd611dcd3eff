import { readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { formatLocated, readPlatform, type Platform } from "../config/platform/file";
import { checkUserData } from "../render/user-data";
import { CommandError, EXIT } from "./errors";
import { cedanaCdk, DEFAULT_FILE } from "./shell";

export interface LoadedPlatform {
  readonly platform: Platform;
  /** Directory of the file, relative to the working directory unless the file was given as an absolute path. */
  readonly root: string;
  /** Path of the file, as given. */
  readonly file: string;
}

export interface LoadOptions {
  /** Overrides `output.format` of the file. */
  readonly format?: Platform["output"]["format"];
  /** Whether the command writes files, for its message. */
  readonly writes?: boolean;
}

/** Further problems are counted, not printed. */
const MAX_PRINTED = 200;

/**
 * Reads and checks a platform file.
 * @throws CommandError (exit code 2) with every problem of the file.
 */
export function loadPlatform(file: string, { format, writes = false }: LoadOptions = {}): LoadedPlatform {
  const read = readPlatform(readSource(file), checkUserData);
  if (!read.problems) {
    const output = { ...read.platform.output, ...(format === undefined ? {} : { format }) };
    return { platform: { ...read.platform, output }, root: dirname(file), file };
  }
  const lines = read.problems.slice(0, MAX_PRINTED).map((problem) => formatLocated(file, problem));
  const rest = read.problems.length - lines.length;
  if (rest > 0) lines.push(`... and ${rest} more`);
  const count = read.problems.length === 1 ? "1 problem" : `${read.problems.length} problems`;
  throw new CommandError(
    `${lines.join("\n")}\n${count} in ${basename(file)}${writes ? "; nothing was written" : ""}`,
    EXIT.badInput,
  );
}

function readSource(file: string): Uint8Array {
  try {
    return readFileSync(file);
  } catch (error) {
    throw new CommandError(cannotRead(file, error as NodeJS.ErrnoException), EXIT.badInput);
  }
}

function cannotRead(file: string, { code }: NodeJS.ErrnoException): string {
  if (code === "ENOENT") return `${file}: no such file; to create it: ${cedanaCdk("init", file)}`;
  if (code === "EISDIR")
    return `${file}: is a directory, not a file; did you mean ${join(file, DEFAULT_FILE)}?`;
  return `${file}: cannot be read (${code ?? "unknown error"})`;
}

/** Runs a cdktf or cdk8s app on the platform file. Problems of the file are printed to stderr, with exit code 2. */
export function runApp(app: (loaded: LoadedPlatform) => void): void {
  try {
    app(loadPlatform(process.env["CEDANA_YAML"] ?? DEFAULT_FILE, { writes: true }));
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exitCode = error.exitCode;
  }
}
