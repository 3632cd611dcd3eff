import { InvalidArgumentError, Option, type Command } from "commander";
import { EXIT } from "./errors";
import { DEFAULT_FILE } from "./shell";

/** Platform file of a command. */
export function fileOption(): Option {
  return new Option("-f, --file <path>", "platform file")
    .default(DEFAULT_FILE)
    .env("CEDANA_YAML")
    .argParser(checkedPath);
}

/** Rejects paths that the output, which names the platform file in one line, cannot contain. */
function checkedPath(path: string): string {
  if (path === "") throw new InvalidArgumentError("It is empty.");
  if (/\p{Cc}/u.test(path)) throw new InvalidArgumentError("It contains a control character.");
  return path;
}

/** Format of the manifests that a command renders. */
export function formatOption(): Option {
  return new Option(
    "--format <format>",
    "format of the Kubernetes manifests (default: output.format of the file)",
  ).choices(["objects", "file", "helm"]);
}

/** Format of a command's result. */
export function outputOption(): Option {
  return new Option("--output <format>", "output format").choices(["text", "json"]).default("text");
}

/** Adds the options that select a cluster, as kubectl does. */
export function clusterOptions(command: Command): Command {
  return command
    .option("--kubeconfig <path>", "kubeconfig of the cluster (default: as kubectl)")
    .option("--context <name>", "context in the kubeconfig");
}

/**
 * Handles errors of writes to stdout. A reader that closed the pipe, such as `head`, needs no message. Any other error, such as
 * a full disk, is reported, and the exit code is 3.
 */
export function handleOutputErrors(stdout: NodeJS.WritableStream): void {
  stdout.on("error", ({ code, message }: NodeJS.ErrnoException) => {
    if (code === "EPIPE") return;
    process.stderr.write(`cannot write to stdout: ${message}\n`);
    process.exitCode = EXIT.failed;
  });
}

/** Prints the result of a command. */
export function print(text: string): void {
  process.stdout.write(text);
}
