/**
 * Fuzzing of all readers of input that this project does not control: docs/testing.md.
 *
 *   npm run fuzz -- --seconds 600                  slices of all targets, each time the one with the least time so far
 *   npm run fuzz -- --target NAME --seed N         repeats one slice
 *   npm run fuzz -- --target NAME --seed N --path P  repeats one input
 *   npm run fuzz -- --list                         what was run so far
 */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { GoFuzzer, goTargets, hasGo, type GoTarget } from "./golang";
import type { Failure, SliceResult } from "./slice";
import { FuzzState } from "./state";
import { TARGETS } from "./targets";
import { typescriptSlice } from "./typescript";

const MODULE = "runtime";
const DIRECTORY = "out/fuzz";
const WORKER = join(__dirname, "worker.js");

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "600" },
    target: { type: "string" },
    seed: { type: "string" },
    path: { type: "string" },
    list: { type: "boolean", default: false },
  },
});

/** A target of either language. */
interface Runner {
  readonly name: string;
  /** @returns the slice, and the processor time that other processes needed for it */
  run(seed: number): Promise<SliceResult & { readonly cpuMs?: number }>;
}

const state = new FuzzState(join(process.cwd(), DIRECTORY));
const go = new GoFuzzer(join(process.cwd(), MODULE), state.directory);

function goRunner(target: GoTarget): Runner {
  return { name: target.name, run: () => go.slice(target) };
}

function runners(): Runner[] {
  const own = TARGETS.map(({ name }): Runner => {
    const { path } = values;
    return {
      name,
      run: (seed) => typescriptSlice(WORKER, { name, seed, ...(path === undefined ? {} : { path }) }),
    };
  });
  if (hasGo()) return [...own, ...goTargets(MODULE).map(goRunner)];
  process.stderr.write("fuzz: Go is missing, so the targets of runtime/ are skipped\n");
  return own;
}

/** Returns the processor time of this process, all threads, in ms. */
function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

async function slice(
  runner: Runner,
  seed: number,
): Promise<{ readonly usedMs: number; readonly failure?: Failure }> {
  const before = cpuMs();
  const { executions, failure, cpuMs: others = 0 } = await runner.run(seed);
  const usedMs = cpuMs() - before + others;
  if (values.path === undefined) state.add(runner.name, executions, usedMs);
  if (failure !== undefined) report(failure);
  return { usedMs, failure };
}

function report({ target, seed, path, input, error }: Failure): void {
  const isGo = target.startsWith("go/");
  const again = `npm run fuzz -- --target ${target}${isGo ? "" : ` --seed ${seed}${path === "" ? "" : ` --path ${path}`}`}`;
  const file = state.keep(target.replaceAll("/", "-"), seed, `${again}\n\n${error}\n\n${input}\n`);
  process.stdout.write(
    `\nFAILED ${target}\n${error}\n\ninput: ${input.slice(0, 2_000)}\n\nrepeat: ${again}\nkept: ${file}\n\n`,
  );
}

async function main(): Promise<void> {
  const all = runners();
  const names = all.map(({ name }) => name);
  const chosen = values.target === undefined ? all : all.filter(({ name }) => name === values.target);
  if (chosen.length === 0) throw new Error(`no target ${values.target}; there are: ${names.join(", ")}`);
  if (values.list) return void process.stdout.write(`${state.summary(names)}\n`);
  if (values.seed !== undefined) {
    const results = await Promise.all(chosen.map((runner) => slice(runner, Number(values.seed))));
    process.exitCode = results.some(({ failure }) => failure !== undefined) ? 1 : 0;
    return;
  }
  let leftMs = Number(values.seconds) * 1000;
  if (!(leftMs > 0)) throw new Error(`--seconds is ${values.seconds}; allowed: a number above 0`);
  const failed = new Set<string>();
  while (leftMs > 0 && failed.size < chosen.length) {
    const [runner] = chosen
      .filter(({ name }) => !failed.has(name))
      .toSorted((a, b) => state.of(a.name).cpuMs - state.of(b.name).cpuMs);
    if (runner === undefined) break;
    const { usedMs, failure } = await slice(runner, state.of(runner.name).slices + 1);
    leftMs -= Math.max(usedMs, 1);
    if (failure !== undefined) failed.add(runner.name);
  }
  process.stdout.write(`${state.summary(names)}\n`);
  process.exitCode = failed.size === 0 ? 0 : 1;
}

main().catch((error: unknown) => {
  process.stderr.write(`fuzz: ${(error as Error).message}\n`);
  process.exitCode = 1;
});
