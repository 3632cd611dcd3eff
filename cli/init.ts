import { existsSync, renameSync, writeFileSync } from "node:fs";
import { createInterface } from "node:readline/promises";
import { formatLocated, readPlatform } from "../config/platform";
import { CommandError, EXIT } from "./exit";
import { INIT_DEFAULTS, initFile, type InitAnswers } from "./init-file";

export interface InitOptions extends Partial<InitAnswers> {
  readonly file: string;
  /** Overwrites a file that exists. */
  readonly force: boolean;
}

/** Writes a commented platform file; asks for what matters only on a terminal and only if nothing was given. */
export async function init({ file, force, ...given }: InitOptions): Promise<string> {
  if (existsSync(file) && !force) {
    throw new CommandError(`${file}: is there already; --force overwrites it`, EXIT.badInput);
  }
  const terminal = process.stdin.isTTY && process.stdout.isTTY && Object.keys(given).length === 0;
  const answers = { ...INIT_DEFAULTS, ...given, ...(terminal ? await ask() : {}) };
  const text = initFile(answers);
  const { problems } = readPlatform(text);
  if (problems) {
    const lines = problems.map((problem) => formatLocated("(given)", problem));
    throw new CommandError(`${lines.join("\n")}\nnothing was written`, EXIT.badInput);
  }
  const beside = `${file}.${process.pid}.tmp`;
  writeFileSync(beside, text);
  renameSync(beside, file);
  return `${file} is written; change what is marked "change", then\n  cedana-cdk validate\n  cedana-cdk synth\n`;
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
