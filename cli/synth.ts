import { join } from "node:path";
import { diffTree, finishInterrupted, OutputError, writeTree } from "../manifests/output";
import { explained, inTheWay } from "./explained";
import { loadPlatform, type LoadOptions } from "./platform-file";
import { makeTrees, OWNER, type Tree } from "./trees";

export interface SynthOptions extends LoadOptions {
  readonly file: string;
  /** Overwrites files that were edited by hand or belong to others. */
  readonly force: boolean;
}

/**
 * Writes everything that the platform file asks for and returns what to tell of it. All of it is made, and every
 * directory is found free, before any of it is written.
 */
export async function synth(options: SynthOptions): Promise<string> {
  const loaded = loadPlatform(options.file, options);
  const trees = await makeTrees(loaded);
  if (!options.force) refuseIfInTheWay(loaded.root, trees);
  const told = trees.map(({ title, contents, directory, files }) => {
    const { written, removed, unchanged } = explained(() =>
      writeTree(join(loaded.root, directory), files, OWNER, { force: options.force }),
    );
    const count = `${written.length} written, ${unchanged.length} unchanged, ${removed.length} removed`;
    return `${title}: ${directory}\n  ${contents}\n  files: ${count}\n`;
  });
  const next = trees.flatMap((tree) => tree.next).map((command) => `  ${command}\n`);
  return `${told.join("\n")}\nNext:\n${next.join("")}`;
}

/** Tells what is in the way in all trees at once. */
function refuseIfInTheWay(root: string, trees: readonly Tree[]): void {
  const refused = trees.flatMap(({ directory, files }) => {
    const dir = join(root, directory);
    return explained(() => {
      finishInterrupted(dir);
      const { problems } = diffTree(dir, files, OWNER);
      return problems.length > 0 ? [new OutputError(dir, problems).message] : [];
    });
  });
  if (refused.length > 0) throw inTheWay(refused.join("\n"));
}
