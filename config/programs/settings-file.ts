import { readFileSync } from "node:fs";
import { YAMLParseError, parse } from "yaml";
import { formatProblem } from "..";
import { check, type Checked } from "../schema";
import type { GenericSchema, InferOutput } from "../schema/valibot";

/** What programs of the cluster end with if they are told wrong. */
const BAD_SETTINGS = 2;

/** The settings in a file, as `read` reads them. Ends the process if there are none, with all their problems. */
export function settingsIn<T>(file: string, read: (text: string) => Checked<T>): T {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    return fail(`${file}: cannot be read: ${(error as Error).message}`, BAD_SETTINGS);
  }
  const settings = read(text);
  if (!settings.problems) return settings.value;
  return fail(
    settings.problems.map((problem) => `${file}: ${formatProblem(problem)}`).join("\n"),
    BAD_SETTINGS,
  );
}

/** Says why, and ends the process. */
export function fail(message: string, code: number): never {
  process.stderr.write(`${message}\n`);
  process.exit(code);
}

/** What a program of the cluster is told in a text (YAML or JSON), by its schema, or all problems of it. Nothing is thrown. */
export function readSettings<S extends GenericSchema>(schema: S, text: string): Checked<InferOutput<S>> {
  try {
    return check(schema, parse(text));
  } catch (error) {
    if (!(error instanceof YAMLParseError)) throw error;
    return { problems: [{ code: "yaml-syntax", path: [], message: `is not YAML: ${error.message}` }] };
  }
}
