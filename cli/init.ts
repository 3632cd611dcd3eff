import { existsSync, renameSync, writeFileSync } from "node:fs";
import { basename } from "node:path";
import { createInterface } from "node:readline/promises";
import { formatLocated, readPlatform } from "../config/platform";
import { CommandError, EXIT } from "./exit";
import { INIT_DEFAULTS, initFile, type InitAnswers } from "./init-file";
import { cedanaCdk } from "./shell";

export interface InitOptions extends Partial<InitAnswers> {
  readonly file: string;
  /** Overwrites a file that exists. */
  readonly force: boolean;
}

/** Writes a commented platform file. Prompts only on a terminal and only if no flag is given. */
export async function init({ file, force, ...given }: InitOptions): Promise<string> {
  if (existsSync(file) && !force) {
    throw new CommandError(`${file}: exists already; --force overwrites it`, EXIT.badInput);
  }
  const terminal = process.stdin.isTTY && process.stdout.isTTY && Object.keys(given).length === 0;
  const answers = { ...INIT_DEFAULTS, output: outputOf(file), ...given, ...(terminal ? await ask() : {}) };
  const text = initFile(answers);
  const { problems } = readPlatform(text);
  if (problems) {
    const lines = problems.map((problem) => formatLocated("(given)", problem));
    throw new CommandError(`${lines.join("\n")}\nnothing was written`, EXIT.badInput);
  }
  const beside = `${file}.${process.pid}.tmp`;
  writeFileSync(beside, text);
  renameSync(beside, file);
  return `Wrote ${file}. Edit the lines marked "change", then:\n  ${cedanaCdk("validate", file)}\n  ${cedanaCdk("synth", file)}\n`;
}

/** Returns a directory that no other platform file beside this one gets. */
function outputOf(file: string): string {
  const name = basename(file).replace(/\.ya?ml$/, "");
  return name === "cedana"
    ? INIT_DEFAULTS.output
    : `${INIT_DEFAULTS.output}/${name.replaceAll(/[^\w.-]+/g, "-")}`;
}

async function ask(): Promise<Partial<InitAnswers>> {
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  const answers: Record<string, string> = {};
  try {
    for (const [key, question] of [
      ["name", "Name of the EKS cluster"],
      ["region", "AWS region"],
    ] as const) {
      const answer = await terminal.question(`${question} [${INIT_DEFAULTS[key]}]: `);
      if (answer.trim() !== "") answers[key] = answer.trim();
    }
  } finally {
    terminal.close();
  }
  return answers;
}
