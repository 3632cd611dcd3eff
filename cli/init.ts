import { renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { basename } from "node:path";
import { Option, type Command } from "commander";
import { DEFAULT_ENGINE, ENGINE_KINDS } from "../config/engine-kinds";
import { partitionOf } from "../config/region";
import { CommandError, EXIT, withFsErrors } from "./errors";
import type { InitAnswers } from "./init-file";
import { fileOption, print } from "./options";
import { cedanaCdk, DEFAULT_NAME } from "./shell";

interface InitOptions extends Partial<InitAnswers> {
  readonly file: string;
  /** Overwrites an existing file. */
  readonly force: boolean;
}

export function addInit(program: Command): void {
  program
    .command("init")
    .description(
      "write a commented cedana.yaml; on a terminal, ask for name and region if no flag sets a value",
    )
    .addOption(fileOption())
    .addOption(new Option("--engine <kind>", `engine (default: ${DEFAULT_ENGINE})`).choices(ENGINE_KINDS))
    .option("--name <name>", "name of the EKS cluster")
    .option("--region <region>", "AWS region")
    .option("--kubernetes-version <minor>", "Kubernetes minor version, such as 1.35")
    .option("--admin-arn <arn>", "IAM role that becomes cluster admin")
    .option("--cluster-id <uuid>", "ID of the cluster on the Cedana platform (engine cedana)")
    .option("--url <url>", "URL of the Cedana platform (engine cedana)")
    .option("--bucket <name>", "S3 bucket of checkpoints (engine cedana)")
    .addOption(
      new Option("--aws <side>", "AWS side: a new cluster, an existing one, or none").choices([
        "new",
        "existing",
        "none",
      ]),
    )
    .option("--gpu", "add a GPU node group")
    .option("--force", "overwrite the file", false)
    .action(async (options: InitOptions) => print(await init(options)));
}

/** Writes a commented platform file. Prompts only on a terminal and only if no flag sets a value. */
async function init({ file, force, ...given }: InitOptions): Promise<string> {
  const existing = withFsErrors(() => statSync(file, { throwIfNoEntry: false }));
  if (existing?.isDirectory()) throw new CommandError(`${file}: is a directory, not a file`, EXIT.badInput);
  if (existing && !force) {
    throw new CommandError(`${file}: the file exists; --force overwrites it`, EXIT.badInput);
  }
  const terminal = process.stdin.isTTY && process.stdout.isTTY && Object.keys(given).length === 0;
  const { INIT_DEFAULTS: defaults, initFile } = await import("./init-file.js");
  const asked = { ...given, ...(terminal ? await prompt(defaults) : {}) };
  const { region = defaults.region } = asked;
  const answers = {
    ...defaults,
    adminArn: defaults.adminArn.replace(/^arn:aws:/, `arn:${partitionOf(region)}:`),
    output: outputOf(file, defaults),
    ...asked,
  };
  const text = initFile(answers);
  const { readPlatform } = await import("../config/platform/file/index.js");
  const { problems } = readPlatform(text);
  if (problems) {
    const { flagProblem } = await import("./init-flags.js");
    const lines = new Set(problems.map((problem) => flagProblem(problem, answers)));
    throw new CommandError(`${[...lines].join("\n")}\nnothing was written`, EXIT.badInput);
  }
  withFsErrors(() => writeWhole(file, text));
  return `Wrote ${file}. Edit the lines marked "change", then:\n  ${cedanaCdk("validate", file)}\n  ${cedanaCdk("synth", file)}\n`;
}

/** Writes a file completely or not at all. */
function writeWhole(file: string, text: string): void {
  const temporary = `${file}.${process.pid}.tmp`;
  try {
    writeFileSync(temporary, text);
    renameSync(temporary, file);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw Object.assign(error as NodeJS.ErrnoException, { path: file });
  }
}

/** Returns the output directory. Each platform file of a directory has another one. */
function outputOf(file: string, { output }: InitAnswers): string {
  const name = basename(file).replace(/\.ya?ml$/, "");
  return name === DEFAULT_NAME ? output : `${output}/${name.replaceAll(/[^\w.-]+/g, "-")}`;
}

/** Prompts for the answers without a useful default. */
async function prompt(defaults: InitAnswers): Promise<Partial<InitAnswers>> {
  const { createInterface } = await import("node:readline/promises");
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  const answers: Record<string, string> = {};
  try {
    for (const [key, question] of [
      ["name", "Name of the EKS cluster"],
      ["region", "AWS region"],
    ] as const) {
      const answer = await terminal.question(`${question} [${defaults[key]}]: `);
      if (answer.trim() !== "") answers[key] = answer.trim();
    }
  } finally {
    terminal.close();
  }
  return answers;
}
