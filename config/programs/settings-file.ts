import { readFileSync } from "node:fs";
import { YAMLParseError, parse } from "yaml";
import { formatProblem } from "..";
import { check, type Checked } from "../schema";
import type { GenericSchema, InferOutput } from "../schema/valibot";

/** Exit code of controller and agent for invalid settings. */
const INVALID_SETTINGS = 2;

/** Returns the settings in a file, parsed by `read`. Prints all problems and exits the process if they are invalid. */
export function loadSettings<T>(file: string, read: (text: string) => Checked<T>): T {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    return fail(`${file}: cannot be read: ${(error as Error).message}`, INVALID_SETTINGS);
  }
  const settings = read(text);
  if (!settings.problems) return settings.value;
  return fail(
    settings.problems.map((problem) => `${file}: ${formatProblem(problem)}`).join("\n"),
    INVALID_SETTINGS,
  );
}

/** Prints the message to stderr and exits the process. */
export function fail(message: string, code: number): never {
  process.stderr.write(`${message}\n`);
  process.exit(code);
}

/** Parses settings (YAML or JSON) by their schema. Returns the settings or all problems. */
export function readSettings<S extends GenericSchema>(schema: S, text: string): Checked<InferOutput<S>> {
  try {
    // Without its warnings, which it writes to stderr.
    return check(schema, parse(text, { logLevel: "error" }));
  } catch (error) {
    // A ReferenceError is that of aliases that expand to too many values.
    if (!(error instanceof YAMLParseError || error instanceof ReferenceError)) throw error;
    return { problems: [{ code: "yaml-syntax", path: [], message: `is invalid YAML: ${error.message}` }] };
  }
}
