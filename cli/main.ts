/** The command line. A command imports what it needs when it runs: `--help` loads neither cdktf nor cdk8s nor yaml. */
import { Command, CommanderError } from "commander";
import { VERSION } from "../config/version";
import { addCrd } from "./crd";
import { addDashboard } from "./dashboard";
import { addDiff } from "./diff";
import { CommandError, EXIT } from "./errors";
import { addExplain } from "./explain";
import { addFeatures } from "./features";
import { addInit } from "./init";
import { fileOption, print } from "./options";
import { addPolicy } from "./policy";
import { addSchema } from "./schema";
import { addSynth } from "./synth";
import { addUngate } from "./ungate";
import { addValidate } from "./validate";

const program = new Command("cedana-cdk")
  .description("Checkpoint and restore on EKS, from one cedana.yaml.")
  .version(VERSION)
  .exitOverride()
  .addHelpText(
    "after",
    "\nExit codes: 0 success, 1 difference (diff), upgrade due (crd status) gated node or policy that checkpoints nothing (explain), or policy that matches no pod (policy test), 2 invalid input, 3 any other error.",
  );

for (const add of [
  addInit,
  addValidate,
  addSynth,
  addDiff,
  addExplain,
  addPolicy,
  addUngate,
  addCrd,
  addAgentRemoval,
  addFeatures,
  addSchema,
  addDashboard,
])
  add(program);

function addAgentRemoval(program: Command): void {
  program
    .command("agent-removal")
    .description("print the DaemonSet that removes the engine's agent from the nodes, for kubectl")
    .addOption(fileOption())
    .action(async ({ file }: { file: string }) =>
      print((await import("./agent-removal.js")).agentRemoval(file)),
    );
}

function fail(error: unknown): void {
  if (error instanceof CommanderError) {
    process.exitCode = error.exitCode === 0 ? EXIT.ok : EXIT.badInput;
    return;
  }
  if (error instanceof CommandError) {
    process.stderr.write(`${error.message}\n`);
    process.exitCode = error.exitCode;
    return;
  }
  const trace = process.env["CEDANA_CDK_TRACE"] === "1";
  const { message, stack } = error instanceof Error ? error : { message: String(error), stack: undefined };
  process.stderr.write(`cedana-cdk: internal error (please report it): ${message}\n`);
  process.stderr.write(trace ? `${stack ?? ""}\n` : "CEDANA_CDK_TRACE=1 prints the stack trace.\n");
  process.exitCode = EXIT.failed;
}

/** Runs a command and sets `process.exitCode`. */
export async function main(args: readonly string[]): Promise<void> {
  await program.parseAsync(args, { from: "user" }).catch(fail);
}
