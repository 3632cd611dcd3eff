import { diffTree, OutputError, writeTree } from "../manifests/output";
import { CommandError, EXIT } from "./exit";
import { explained } from "./explained";
import { loadPlatform, type LoadOptions } from "./platform-file";
import { makeTrees } from "./trees";

export interface SynthOptions extends LoadOptions {
  readonly file: string;
  /** Overwrites edited and unmanaged files. */
  readonly force: boolean;
}

/**
 * Writes the output of a platform file and returns a summary. All files are made and all directories are checked before
 * the first file is written.
 */
export async function synth({ file, force, ...options }: SynthOptions): Promise<string> {
  const loaded = loadPlatform(file, options);
  const trees = await makeTrees(loaded);
  const refused = trees.flatMap(({ directory, files, owner }) => {
    const problems = explained(() => diffTree(directory, files, owner, { force }).problems);
    return problems.length > 0 ? [new OutputError(directory, problems).message] : [];
  });
  if (refused.length > 0) throw new CommandError(refused.join("\n"), EXIT.badInput);
  const summary = trees.map(({ title, contents, directory, files, owner }) => {
    const { written, removed, unchanged } = explained(() => writeTree(directory, files, owner, { force }));
    const count = `${written.length} written, ${unchanged.length} unchanged, ${removed.length} removed`;
    return `${title}: ${directory}\n  ${contents}\n  files: ${count}\n`;
  });
  const next = trees.flatMap((tree) => tree.next).map((command) => `  ${command}\n`);
  return `${summary.join("\n")}\nNext:\n${next.join("")}`;
}
