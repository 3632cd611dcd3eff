import { join } from "node:path";
import { OutputError, writeTree } from "../output";
import { CommandError, EXIT } from "./exit";
import { loadPlatform } from "./platform-file";
import { makeTrees, OWNER } from "./trees";

export interface SynthOptions {
  readonly file: string;
  /** Overwrites files that were edited by hand or belong to others. */
  readonly force: boolean;
}

/**
 * Writes everything that the platform file asks for and returns what to tell of it. All of it is made before any of it is
 * written.
 */
export async function synth(options: SynthOptions): Promise<string> {
  const loaded = loadPlatform(options.file);
  const trees = await makeTrees(loaded);
  const told = trees.map(({ title, directory, files, next }) => {
    try {
      const report = writeTree(join(loaded.root, directory), files, OWNER, { force: options.force });
      const { written, removed, unchanged } = report;
      const count = `${written.length} written, ${unchanged.length} unchanged, ${removed.length} removed`;
      const commands = next.map((command) => `  ${command}`).join("\n");
      return `${title}: ${directory} (${count})\n${commands}`;
    } catch (error) {
      if (!(error instanceof OutputError)) throw error;
      throw new CommandError(`${error.message}\n--force overwrites edited and foreign files`, EXIT.badInput);
    }
  });
  return `${told.join("\n")}\n`;
}
