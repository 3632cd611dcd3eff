#!/usr/bin/env node
/** The agent of a node as a program. Its settings are a file: `cedana-cdk` writes it into the install. */
import { Command } from "commander";
import { checkCriuCommand, healthCommand } from "../agent/commands";
import { EXIT } from "../agent/commands";
import { fail } from "../config/programs";
import { runCommand } from "../agent/commands";
import { VERSION } from "../config/version";

const commands = [runCommand(), healthCommand(), checkCriuCommand()];

const program = new Command("agent")
  .description("Takes checkpoints on its node, with the kubelet, for engine kubelet, and checks that it can.")
  .version(VERSION);
for (const command of commands) program.addCommand(command);
for (const each of [program, ...commands])
  each.exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : EXIT.badSettings));

program
  .parseAsync()
  .catch((error: unknown) =>
    fail(`agent: ${error instanceof Error ? error.message : String(error)}`, EXIT.failed),
  );
