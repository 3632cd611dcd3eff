import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { OutputProblem } from "./errors";
import { checkPaths, linkAbove, look, parentsOf } from "./paths";
import type { TreeRecord } from "./record";
import { readRecord, sha256 } from "./record";

/** One file that is not yet as it shall be. */
export type Change =
  | { readonly kind: "add"; readonly path: string; readonly after: string }
  | { readonly kind: "change"; readonly path: string; readonly before: string; readonly after: string }
  | { readonly kind: "remove"; readonly path: string; readonly before: string };

export interface Plan {
  readonly changes: readonly Change[];
  readonly problems: readonly OutputProblem[];
  readonly unchanged: readonly string[];
  /** What the record will be. */
  readonly record: TreeRecord;
}

/** Compares a tree with what is on disk; writes nothing. */
export function plan(dir: string, files: ReadonlyMap<string, string>, owner: string): Plan {
  const wrong = checkPaths(files.keys());
  const hashes = new Map([...files].map(([path, text]) => [path, sha256(text)]));
  const record = { owner, files: hashes };
  if (wrong.length > 0) return { changes: [], problems: wrong, unchanged: [], record };
  return new Planner(dir, files, record, readRecord(dir)).plan();
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

  plan(): Plan {
    if (this.earlier && this.earlier.owner !== this.record.owner) {
      this.problems.push({
        code: "other-owner",
        path: ".",
        message: `was written by ${this.earlier.owner}, not by ${this.record.owner}`,
        remedy: "choose another folder, or overwrite it with --force",
      });
    }
    for (const [path, hash] of this.earlier?.files ?? []) if (!this.files.has(path)) this.remove(path, hash);
    for (const [path, text] of this.files) this.write(path, text);
    return {
      changes: this.changes,
      problems: this.problems,
      unchanged: this.unchanged,
      record: this.record,
    };
  }

  /** What is no longer the file that was written is no longer ours: a folder or link in its place is left alone. */
  private remove(path: string, hash: string): void {
    if (linkAbove(this.dir, path) !== undefined || !look(this.dir, path)?.isFile()) return;
    const data = readFileSync(join(this.dir, path));
    if (sha256(data) !== hash) this.edited(path, "would be removed");
    this.removed.add(path);
    this.changes.push({ kind: "remove", path, before: data.toString("utf8") });
  }

  private write(path: string, after: string): void {
    if (!this.isFree(path)) return;
    const there = look(this.dir, path);
    if (!there || there.isDirectory()) {
      this.changes.push({ kind: "add", path, after });
      return;
    }
    const data = readFileSync(join(this.dir, path));
    const hash = sha256(data);
    if (hash === this.record.files.get(path)) {
      this.unchanged.push(path);
      return;
    }
    const recorded = this.earlier?.files.get(path);
    if (recorded === undefined) {
      this.problems.push({
        code: "foreign",
        path,
        message: "exists and was not written by an earlier run",
        remedy: "move it away, or overwrite it with --force",
      });
    } else if (recorded !== hash) this.edited(path, "would be overwritten");
    this.changes.push({ kind: "change", path, before: data.toString("utf8"), after });
  }

  private edited(path: string, fate: string): void {
    this.problems.push({
      code: "edited",
      path,
      message: `was changed by hand since it was written, and ${fate}`,
      remedy: "put the change into the input, or give it up with --force",
    });
  }

  /** Nothing but a file of ours, or files that go, may lie at the path and above it. */
  private isFree(path: string): boolean {
    for (const parent of parentsOf(path)) {
      const there = look(this.dir, parent);
      if (there?.isSymbolicLink()) return this.blocked("link", parent, "is a symbolic link, not a folder");
      if (there && !there.isDirectory() && !this.removed.has(parent)) {
        return this.blocked("in-the-way", parent, "is no folder");
      }
    }
    const there = look(this.dir, path);
    if (there?.isSymbolicLink()) return this.blocked("link", path, "is a symbolic link");
    if (there?.isDirectory() && !this.isEmptied(path)) {
      return this.blocked("in-the-way", path, "is a folder, and not all in it would be removed");
    }
    if (there && !there.isDirectory() && !there.isFile()) {
      return this.blocked("in-the-way", path, "is no ordinary file");
    }
    return true;
  }

  private blocked(code: "link" | "in-the-way", path: string, message: string): false {
    if (!this.problems.some((problem) => problem.path === path)) {
      this.problems.push({ code, path, message, remedy: "move it away" });
    }
    return false;
  }

  private isEmptied(folder: string): boolean {
    const entries = readdirSync(join(this.dir, folder), { withFileTypes: true });
    // A folder that is empty already is somebody's: ours are removed with their last file.
    return (
      entries.length > 0 &&
      entries.every((entry) => {
        const path = `${folder}/${entry.name}`;
        return entry.isDirectory() ? this.isEmptied(path) : this.removed.has(path);
      })
    );
  }
}
