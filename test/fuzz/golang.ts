/** Slices of the fuzz targets in Go, by the fuzzing of `go test`: its corpus grows by coverage, and is kept between slices. */
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join, relative } from "node:path";
import type { SliceResult } from "./slice";

/** Of one slice. */
const SECONDS = 20;

export interface GoTarget {
  /** `go/PACKAGE/FuzzNAME`. */
  readonly name: string;
  /** Directory of the package below runtime/. */
  readonly directory: string;
  readonly test: string;
}

/** Returns all fuzz targets of a Go module. */
export function goTargets(module: string): GoTarget[] {
  return readdirSync(module, { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith("_test.go"))
    .flatMap((file) => {
      const directory = relative(module, join(module, file, ".."));
      const found = readFileSync(join(module, file), "utf8").matchAll(/^func (Fuzz\w+)\(f \*testing\.F\)/gm);
      return [...found].map(([, test = ""]) => ({
        name: `go/${directory.split("/").at(-1)}/${test}`,
        directory,
        test,
      }));
    })
    .toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

/** Returns whether Go is there. */
export function hasGo(): boolean {
  return spawnSync("go", ["version"]).error === undefined;
}

export interface GoSlice extends SliceResult {
  /** Of the process and its workers. */
  readonly cpuMs: number;
}

/** Runs one slice. The test binary is built once for each run of this program. */
export class GoFuzzer {
  private readonly built = new Map<string, string>();

  constructor(
    private readonly module: string,
    /** For binaries, corpora and failures. */
    private readonly directory: string,
  ) {}

  async slice(target: GoTarget): Promise<GoSlice> {
    const program = this.build(target.directory);
    const work = join(this.directory, "go", target.directory);
    mkdirSync(work, { recursive: true });
    const list = [
      `-test.fuzz=^${target.test}$`,
      "-test.run=^$",
      `-test.fuzztime=${SECONDS}s`,
      "-test.parallel=1",
      // By default each new input of the corpus is made smaller for up to a minute, so that little time is left for others.
      "-test.fuzzminimizetime=200x",
      `-test.fuzzcachedir=${join(this.directory, "go", "corpus", target.directory)}`,
    ];
    const { code, output, cpuMs } = await timed(program, list, work);
    const executions = Math.max(
      0,
      ...[...output.matchAll(/execs: (\d+)/g)].map(([, count]) => Number(count)),
    );
    if (code === 0 || endedLate(output)) return { executions, cpuMs };
    const inputs = readInputs(join(work, "testdata", "fuzz", target.test));
    // Else the next slice would end with the same input at once.
    rmSync(join(work, "testdata"), { recursive: true, force: true });
    const failure = { target: target.name, seed: 0, path: "", input: inputs, error: output.slice(-8_000) };
    return { executions, cpuMs, failure };
  }

  private build(directory: string): string {
    const known = this.built.get(directory);
    if (known !== undefined) return known;
    const program = join(this.directory, "go", `${directory.replaceAll("/", "-")}.test`);
    mkdirSync(join(this.directory, "go"), { recursive: true });
    // With -fuzz the build has the instrumentation for coverage.
    const list = ["test", "-c", "-fuzz=^Fuzz", "-o", program, `./${directory}`];
    const { status, stderr } = spawnSync("go", list, { cwd: this.module, encoding: "utf8" });
    if (status !== 0) throw new Error(`${directory} cannot be built: ${stderr}`);
    this.built.set(directory, program);
    return program;
  }
}

/**
 * Returns whether only the time of the slice was over. On a busy machine a worker can still be at work then, and Go 1.26 reports that as a
 * failure (golang/go#75804). What an input causes is reported with the input.
 */
export function endedLate(output: string): boolean {
  return (
    /^--- FAIL: Fuzz\w+ .*\n\s+context deadline exceeded$/m.test(output) && !output.includes("Failing input")
  );
}

function readInputs(directory: string): string {
  try {
    return readdirSync(directory)
      .map((file) => readFileSync(join(directory, file), "utf8"))
      .join("\n");
  } catch {
    return "(the fuzzer kept no input)";
  }
}

/** Runs a program; the shell measures the processor time of the program and its children. */
function timed(program: string, list: readonly string[], cwd: string) {
  return new Promise<{ code: number; output: string; cpuMs: number }>((resolve, reject) => {
    const script = '"$@"; code=$?; times; exit $code';
    const child = spawn("bash", ["-c", script, "bash", program, ...list], { cwd });
    let output = "";
    child.stdout.on("data", (bytes: Buffer) => (output += bytes.toString()));
    child.stderr.on("data", (bytes: Buffer) => (output += bytes.toString()));
    child.once("error", reject);
    child.once("close", (code) => resolve({ code: code ?? 1, output, cpuMs: cpuIn(output) }));
  });
}

/** Reads the output of `times`: user and system time of the shell, and of its children in the second line. */
function cpuIn(output: string): number {
  const line = output.trimEnd().split("\n").at(-1) ?? "";
  const times = [...line.matchAll(/(\d+)m(\d+[.,]\d+)s/g)];
  return times.reduce(
    (sum, [, minutes, seconds = "0"]) =>
      sum + Number(minutes) * 60_000 + Number(seconds.replace(",", ".")) * 1000,
    0,
  );
}
