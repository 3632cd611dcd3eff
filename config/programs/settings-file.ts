import { readFileSync } from "node:fs";
import { formatProblem } from "..";
import type { Checked } from "../schema";

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
