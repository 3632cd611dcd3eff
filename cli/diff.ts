import { join } from "node:path";
import type { Command } from "commander";
import type { ClusterOptions } from "./cluster";
import { EXIT, withFsErrors } from "./errors";
import { clusterOptions, fileOption, formatOption, print } from "./options";
import type { LoadOptions } from "./platform-file";
import { renderTrees } from "./trees";

interface DiffOptions extends LoadOptions, ClusterOptions {
  readonly file: string;
  readonly cluster: boolean;
}

export function addDiff(program: Command): void {
  const command = program
    .command("diff")
    .description("show what synth would change on disk, or with --cluster in a cluster; writes nothing")
    .addOption(fileOption())
    .addOption(formatOption())
    .option("--cluster", "compare with a cluster, by server-side dry run", false);
  clusterOptions(command).action(async ({ file, cluster, ...options }: DiffOptions) => {
    const text = cluster
      ? await (await import("./diff-cluster.js")).diffWithCluster(file, options)
      : await diffWithDisk(file, options);
    const { colored } = await import("./text-diff.js");
    print(colored(text));
    process.exitCode = text === "" ? EXIT.ok : EXIT.differs;
  });
}

/** Compares the output of a platform file with the files on disk. */
async function diffWithDisk(file: string, options: LoadOptions): Promise<string> {
  const { loadPlatform } = await import("./platform-file.js");
  const { diffTree } = await import("../manifests/output/index.js");
  const { unifiedDiff } = await import("./text-diff.js");
  const parts: string[] = [];
  for (const { directory, files, owner } of await renderTrees(loadPlatform(file, options))) {
    const { changes, problems } = withFsErrors(() => diffTree(directory, files, owner));
    for (const { path, message } of problems) parts.push(`# ${join(directory, path)}: ${message}\n`);
    for (const change of changes) {
      const before = "before" in change ? change.before : undefined;
      const after = "after" in change ? change.after : undefined;
      parts.push(unifiedDiff(join(directory, change.path), before, after));
    }
  }
  return parts.join("");
}
