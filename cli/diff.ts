import { join } from "node:path";
import { diffTree } from "../manifests/output";
import { EXIT } from "./exit";
import { explained } from "./explained";
import { loadPlatform, type LoadOptions } from "./platform-file";
import { unifiedDiff } from "./text-diff";
import { makeTrees } from "./trees";

export interface DiffResult {
  readonly text: string;
  readonly exitCode: number;
}

/** Compares the output of a platform file with the files on disk. Writes nothing. */
export async function diffWithDisk(file: string, options: LoadOptions = {}): Promise<DiffResult> {
  const loaded = loadPlatform(file, options);
  const parts: string[] = [];
  for (const { directory, files, owner } of await makeTrees(loaded)) {
    const { changes, problems } = explained(() => diffTree(directory, files, owner));
    for (const { path, message } of problems) parts.push(`# ${join(directory, path)}: ${message}\n`);
    for (const change of changes) {
      const before = "before" in change ? change.before : undefined;
      const after = "after" in change ? change.after : undefined;
      parts.push(unifiedDiff(join(directory, change.path), before, after));
    }
  }
  return { text: parts.join(""), exitCode: parts.length > 0 ? EXIT.differs : EXIT.ok };
}
