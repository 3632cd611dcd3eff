import type { Command } from "commander";
import { CommandError, EXIT, withFsErrors } from "./errors";
import { fileOption, formatOption, print } from "./options";
import type { LoadOptions } from "./platform-file";
import { renderTrees } from "./trees";

interface SynthOptions extends LoadOptions {
  readonly file: string;
  /** Overwrites edited and unmanaged files. */
  readonly force: boolean;
}

export function addSynth(program: Command): void {
  program
    .command("synth")
    .description("write the Terraform configuration and the Kubernetes manifests")
    .addOption(fileOption())
    .addOption(formatOption())
    .option("--force", "overwrite edited and unmanaged files", false)
    .action(async (options: SynthOptions) => print(await synth(options)));
}

/** Writes the output of a platform file and returns a summary. Renders all files and checks all directories before it writes. */
async function synth({ file, force, ...options }: SynthOptions): Promise<string> {
  const { loadPlatform } = await import("./platform-file.js");
  const { diffTree, OutputError, writeTree } = await import("../manifests/output/index.js");
  const trees = await renderTrees(loadPlatform(file, { ...options, writes: true }));
  const rejected = trees.flatMap(({ directory, files, owner }) => {
    const problems = withFsErrors(() => diffTree(directory, files, owner, { force }).problems);
    return problems.length > 0 ? [new OutputError(directory, problems).message] : [];
  });
  if (rejected.length > 0) throw new CommandError(rejected.join("\n"), EXIT.badInput);
  const summary = trees.map(({ title, contents, directory, files, owner }) => {
    const { written, removed, unchanged } = withFsErrors(() => writeTree(directory, files, owner, { force }));
    const count = `${written.length} written, ${unchanged.length} unchanged, ${removed.length} removed`;
    return `${title}: ${directory}\n  ${contents}\n  files: ${count}\n`;
  });
  const next = trees.flatMap((tree) => tree.next).map((command) => `  ${command}\n`);
  return `${summary.join("\n")}\nNext:\n${next.join("")}`;
}
