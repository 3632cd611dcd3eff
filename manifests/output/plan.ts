import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { OutputProblem } from "./errors";
import { RECORD, checkPaths, parentsOf, statAt } from "./paths";
import type { TreeRecord } from "./record";
import { formatRecord, readRecord, sha256 } from "./record";

/** One file that differs. */
export type Change =
  | { readonly kind: "add"; readonly path: string; readonly after: string }
  | { readonly kind: "change"; readonly path: string; readonly before: string; readonly after: string }
  | { readonly kind: "remove"; readonly path: string; readonly before: string };

export interface Plan {
  readonly changes: readonly Change[];
  readonly problems: readonly OutputProblem[];
  readonly unchanged: readonly string[];
  /** The record of this run. */
  readonly record: TreeRecord;
  /** The record of the run before. */
  readonly earlier?: TreeRecord;
  readonly isRecordStale: boolean;
}

/** Compares a directory with the files that it must hold. Writes nothing. */
export function plan(dir: string, files: ReadonlyMap<string, string>, owner: string): Plan {
  const record = { owner, files: new Map([...files].map(([path, text]) => [path, [sha256(text)]])) };
  const refused = (problems: readonly OutputProblem[]) => ({
    changes: [],
    problems,
    unchanged: [],
    record,
    isRecordStale: false,
  });
  const problems = checkPaths(files.keys());
  if (problems.length > 0) return refused(problems);
  const earlier = readRecord(dir);
  if (earlier && earlier.owner !== owner) return refused([ownerMismatch(earlier.owner)]);
  const planner = new Planner(dir, files, record, earlier);
  const isRecordStale = earlier === undefined || formatRecord(earlier) !== formatRecord(record);
  return { ...planner.plan(), record, earlier, isRecordStale };
}

function ownerMismatch(owner: string): OutputProblem {
  return {
    code: "owner-mismatch",
    path: ".",
    message: `was written by ${owner}`,
    remedy: `use another directory (output.directory in the platform file), or delete ${RECORD} if the owner was only renamed`,
  };
}

class Planner {
  private readonly changes: Change[] = [];
  private readonly problems: OutputProblem[] = [];
  private readonly unchanged: string[] = [];
  private readonly removed = new Set<string>();

  constructor(
    private readonly dir: string,
    private readonly files: ReadonlyMap<string, string>,
    private readonly record: TreeRecord,
    private readonly earlier: TreeRecord | undefined,
  ) {}

  plan() {
    const { earlier, files, changes, problems, unchanged } = this;
    for (const [path, hashes] of earlier?.files ?? []) if (!files.has(path)) this.remove(path, hashes);
    for (const [path, text] of files) this.write(path, text);
    return { changes, problems, unchanged };
  }

  /** Leaves a directory or a link alone that replaced the managed file. */
  private remove(path: string, hashes: readonly string[]): void {
    if (this.linkAbove(path) !== undefined || !statAt(this.dir, path)?.isFile()) return;
    const data = readFileSync(join(this.dir, path));
    if (!hashes.includes(sha256(data))) this.edited(path, "removed");
    this.removed.add(path);
    this.changes.push({ kind: "remove", path, before: data.toString("utf8") });
  }

  private write(path: string, after: string): void {
    const conflict = this.conflictAt(path);
    if (conflict) {
      if (!this.problems.some((problem) => problem.path === conflict.path)) this.problems.push(conflict);
      return;
    }
    const existing = statAt(this.dir, path);
    if (!existing || existing.isDirectory()) {
      this.changes.push({ kind: "add", path, after });
      return;
    }
    const data = readFileSync(join(this.dir, path));
    const hash = sha256(data);
    if (this.record.files.get(path)?.includes(hash)) {
      this.unchanged.push(path);
      return;
    }
    const recorded = this.earlier?.files.get(path);
    if (recorded === undefined) {
      this.problems.push({
        code: "unmanaged-file",
        path,
        message: "exists and was not written by an earlier run",
        remedy: "move it away, or overwrite it with --force",
      });
    } else if (!recorded.includes(hash)) this.edited(path, "overwritten");
    this.changes.push({ kind: "change", path, before: data.toString("utf8"), after });
  }

  private edited(path: string, fate: string): void {
    this.problems.push({
      code: "edited-file",
      path,
      message: `was edited by hand and would be ${fate}`,
      remedy: "make the edit in the input, or discard it with --force",
    });
  }

  private linkAbove(path: string): string | undefined {
    return parentsOf(path).find((parent) => statAt(this.dir, parent)?.isSymbolicLink());
  }

  /** Returns what keeps a file from being written: a link, a directory or a file that stays. */
  private conflictAt(path: string): OutputProblem | undefined {
    const problem = (code: OutputProblem["code"], at: string, message: string) => ({
      code,
      path: at,
      message,
      remedy: "move it away",
    });
    const link = [...parentsOf(path), path].find((at) => statAt(this.dir, at)?.isSymbolicLink());
    if (link !== undefined) return problem("symbolic-link", link, "is a symbolic link");
    const file = parentsOf(path).find((at) => {
      const existing = statAt(this.dir, at);
      return existing && !existing.isDirectory() && !this.removed.has(at);
    });
    if (file !== undefined) return problem("path-conflict", file, "is not a directory");
    const existing = statAt(this.dir, path);
    if (existing?.isDirectory() && !this.isEmptied(path)) {
      return problem("path-conflict", path, "is a directory with files that stay");
    }
    if (existing && !existing.isDirectory() && !existing.isFile()) {
      return problem("path-conflict", path, "is not a regular file");
    }
    return undefined;
  }

  /** True if every file below is removed. A directory that was empty before is the user's and stays. */
  private isEmptied(directory: string): boolean {
    const entries = readdirSync(join(this.dir, directory), { withFileTypes: true });
    return (
      entries.length > 0 &&
      entries.every((entry) => {
        const path = `${directory}/${entry.name}`;
        return entry.isDirectory() ? this.isEmptied(path) : this.removed.has(path);
      })
    );
  }
}
