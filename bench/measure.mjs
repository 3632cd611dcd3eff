// Runs programs interleaved, so that load on the machine affects all of them.
import { spawnSync } from "node:child_process";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";

export function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/**
 * A case is { name, command: [program, ...args], env?, cwd?, before?, node? }: `before` runs before each run, untimed.
 * Returns the wall times of each case in milliseconds, one of each round. Programs of Node (`node: true`) run
 * `usageRounds` times more, untimed, for their CPU time, memory and modules.
 */
export function measure(cases, rounds, scratch, usageRounds = 3) {
  const times = cases.map(() => []);
  const usages = cases.map(() => []);
  for (let round = -1; round < rounds; round += 1) {
    for (const [index, one] of cases.entries()) {
      const wall = run(one);
      if (round >= 0) times[index].push(wall); // the first round warms the page cache
    }
  }
  for (let round = 0; round < usageRounds; round += 1) {
    for (const [index, one] of cases.entries()) if (one.node) usages[index].push(usage(one, scratch));
  }
  return cases.map((one, index) => ({
    name: one.name,
    command: commandLine(one),
    wallMs: times[index],
    medianMs: median(times[index]),
    ...(one.node ? medians(usages[index]) : {}),
  }));
}

/** Adds to each result the median of the ratios to the first result in each round. */
export function withRatios(results) {
  const [base] = results;
  return results.map((result) => ({ ...result, ratio: ratio(result.wallMs, base.wallMs) }));
}

/** Returns the median of the ratios of each round. */
export function ratio(values, base) {
  return median(values.map((value, round) => value / base[round]));
}

function run({ name, command: [program, ...args], env = {}, cwd, before }) {
  before?.();
  const start = performance.now();
  const result = spawnSync(program, args, {
    cwd,
    env: { ...process.env, ...env },
    encoding: "utf8",
    maxBuffer: 1 << 28,
  });
  const wall = performance.now() - start;
  if (result.status !== 0) {
    throw new Error(`${name} failed: ${result.error?.message ?? ""}\n${result.stdout}\n${result.stderr}`);
  }
  return wall;
}

function usage(one, scratch) {
  const file = join(scratch, "usage.json");
  const preload = join(import.meta.dirname, "programs/usage.cjs");
  const [node, ...args] = one.command;
  rmSync(file, { force: true });
  run({ ...one, command: [node, "-r", preload, ...args], env: { ...one.env, USAGE: file } });
  return JSON.parse(readFileSync(file, "utf8"));
}

function medians(usages) {
  const cpuOfRounds = usages.map(({ cpuMs }) => cpuMs);
  return {
    cpuOfRounds,
    cpuMs: median(cpuOfRounds),
    megabytes: median(usages.map(({ megabytes }) => megabytes)),
    modules: usages[0].modules,
  };
}

function commandLine({ command, env = {} }) {
  return [...Object.entries(env).map(([name, value]) => `${name}=${value}`), ...command].join(" ");
}
