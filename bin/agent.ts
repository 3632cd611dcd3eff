#!/usr/bin/env node
/** The agent program. `cedana-cdk` writes its settings file into the install. */
import { Command } from "commander";
import { checkCriuCommand, healthCommand, runCommand } from "../agent/commands";
import { fail } from "../config/programs";
import { EXIT } from "../kube";
import { VERSION } from "../config/version";

const commands = [runCommand(), healthCommand(), checkCriuCommand()];

const program = new Command("agent")
  .description(
    "Agent of the criu engine: takes and restores checkpoints on its node, and checks that the node can.",
  )
  .version(VERSION);
for (const command of commands) program.addCommand(command);
for (const each of [program, ...commands])
  each.exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : EXIT.badSettings));

program
  .parseAsync()
  .catch((error: unknown) =>
    fail(`agent: ${error instanceof Error ? error.message : String(error)}`, EXIT.failed),
  );
