/** What was run so far, in a directory that git ignores: the next run continues there. */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export interface TargetState {
  /** Slices that were completed: the next one has the next seed. */
  slices: number;
  executions: number;
  /** Processor time of all threads. */
  cpuMs: number;
}

/** State of all targets, by name. */
export class FuzzState {
  private readonly file: string;
  private readonly targets: Record<string, TargetState>;

  constructor(readonly directory: string) {
    mkdirSync(join(directory, "failures"), { recursive: true });
    this.file = join(directory, "state.json");
    this.targets = read(this.file);
  }

  of(name: string): TargetState {
    return (this.targets[name] ??= { slices: 0, executions: 0, cpuMs: 0 });
  }

  /** Adds a completed slice. The file is replaced as a whole: an interrupted run loses one slice. */
  add(name: string, executions: number, cpuMs: number): void {
    const state = this.of(name);
    state.slices += 1;
    state.executions += executions;
    state.cpuMs += cpuMs;
    writeFileSync(`${this.file}.tmp`, `${JSON.stringify(this.targets, null, 2)}\n`);
    renameSync(`${this.file}.tmp`, this.file);
  }

  /** Stores an input that fails. @returns the path of the file */
  keep(name: string, seed: number, content: string): string {
    const file = join(this.directory, "failures", `${name}-${seed}.txt`);
    writeFileSync(file, content);
    return file;
  }

  /** Returns a table of all targets: one line each. */
  summary(names: readonly string[]): string {
    const rows = names.map((name) => [name, this.of(name)] as const);
    const total = (pick: (state: TargetState) => number) =>
      rows.reduce((sum, [, state]) => sum + pick(state), 0);
    const line = (name: string, slices: number, executions: number, cpuMs: number) =>
      `${name.padEnd(28)} ${String(slices).padStart(7)} slices ${String(executions).padStart(11)} inputs ${(cpuMs / 1000).toFixed(0).padStart(6)} s`;
    return [
      ...rows.map(([name, { slices, executions, cpuMs }]) => line(name, slices, executions, cpuMs)),
      line(
        "all",
        total((one) => one.slices),
        total((one) => one.executions),
        total((one) => one.cpuMs),
      ),
    ].join("\n");
  }
}

function read(file: string): Record<string, TargetState> {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as Record<string, TargetState>;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return {};
    throw new Error(`${file} cannot be read: ${(error as Error).message}; delete it to start again`, {
      cause: error,
    });
  }
}
