import { Option, type Command } from "commander";
import { DEFAULT_FILE } from "./shell";

/** Platform file of a command. */
export function fileOption(): Option {
  return new Option("-f, --file <path>", "platform file").default(DEFAULT_FILE).env("CEDANA_YAML");
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

/** Prints the result of a command. */
export function print(text: string): void {
  process.stdout.write(text);
}
