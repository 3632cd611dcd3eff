import { mkdirSync, writeFileSync } from "node:fs";
import { cpus, loadavg, totalmem } from "node:os";
import { parseArgs } from "node:util";
import { median } from "../controller/each";
import { measure, type Figures } from "./measure";

const { values } = parseArgs({
  options: {
    policies: { type: "string", default: "1000" },
    pods: { type: "string", default: "50000" },
    /** Checkpoints that exist at the start. */
    checkpoints: { type: "string", default: "5000" },
    /** Factor of the intervals, which are 5 to 60 minutes. */
    factor: { type: "string", default: "1" },
    seconds: { type: "string", default: "120" },
    rounds: { type: "string", default: "3" },
    /** Options of the controller's Node.js, besides those of the image. */
    node: { type: "string", default: "" },
    /** Directory for CPU and heap profiles of the controller. */
    profile: { type: "string" },
  },
});
const nodeOptions = [
  ...(values.profile === undefined
    ? []
    : ["--cpu-prof", `--cpu-prof-dir=${values.profile}`, "--heap-prof", `--heap-prof-dir=${values.profile}`]),
  ...values.node.split(" ").filter((option) => option !== ""),
];
const scale = {
  policies: Number(values.policies),
  pods: Number(values.pods),
  checkpoints: Number(values.checkpoints),
  byUsers: 0,
  factor: Number(values.factor),
  seconds: Number(values.seconds),
};
const command = `npm run bench:policies -- --policies ${scale.policies} --pods ${scale.pods} --checkpoints ${scale.checkpoints} --factor ${scale.factor} --seconds ${scale.seconds} --rounds ${values.rounds}${values.node === "" ? "" : ` --node="${values.node}"`}`;

/** Figures of one round, and of a controller without policies whose users create as many Checkpoints. */
interface Compared extends Figures {
  /** CPU time, percent of one core, and what it is less than with policies. */
  readonly cpuPercentWithout: number;
  readonly cpuPercentOfPolicies: number;
  readonly peakMiBWithout: number;
}

interface Row {
  readonly key: Exclude<keyof Compared, "requests">;
  readonly name: string;
  readonly digits: number;
  /** Largest value that is allowed. */
  readonly limit?: number;
}

const ROWS: readonly Row[] = [
  { key: "cpuPercent", name: "CPU, percent of one core", digits: 1, limit: 5 },
  {
    key: "cpuPercentWithout",
    name: "the same without policies, with as many Checkpoints by users",
    digits: 1,
  },
  { key: "cpuPercentOfPolicies", name: "the difference: what policies need", digits: 1 },
  { key: "peakMiB", name: "memory, peak since the start, MiB", digits: 0, limit: 300 },
  { key: "peakMiBWithout", name: "the same without policies, MiB", digits: 0 },
  { key: "restMiB", name: "memory, median, MiB", digits: 0, limit: 300 },
  { key: "blockMs", name: "longest block of the event loop, ms", digits: 0 },
  { key: "p50", name: "from due to the start of the action, p50, ms", digits: 0 },
  { key: "p99", name: "the same, p99, ms", digits: 0 },
  { key: "max", name: "the same, maximum, ms", digits: 0, limit: 1000 },
  {
    key: "crossingP50",
    name: "from a recorded crossing of memory to the start of the action, p50, ms",
    digits: 0,
  },
  { key: "crossingMax", name: "the same, maximum, ms", digits: 0, limit: 5000 },
  { key: "startSeconds", name: "from the start to the status of all policies, s", digits: 0 },
  { key: "startCpuSeconds", name: "CPU until then, s", digits: 0 },
  { key: "startBlockMs", name: "longest block of the event loop until then, ms", digits: 0 },
  { key: "matched", name: "pods that policies match", digits: 0 },
  { key: "startsPerSecond", name: "Checkpoints of policies per second", digits: 1 },
  { key: "requestsPerSecond", name: "requests of the controller per second", digits: 0 },
  { key: "changesPerSecond", name: "changes by others per second", digits: 0 },
];

async function compare(): Promise<Compared> {
  const figures = await measure(scale, nodeOptions);
  const without = await measure({ ...scale, policies: 0, byUsers: figures.startsPerSecond }, nodeOptions);
  return {
    ...figures,
    cpuPercentWithout: without.cpuPercent,
    cpuPercentOfPolicies: figures.cpuPercent - without.cpuPercent,
    peakMiBWithout: without.peakMiB,
  };
}

function table(rounds: readonly Compared[]): string {
  const rows = ROWS.map(({ key, name, digits, limit }) => {
    const all = rounds.map((round) => round[key]);
    const value = median(all);
    const range = [Math.min(...all), Math.max(...all)].map((one) => one.toFixed(digits)).join(" to ");
    if (Number.isNaN(value)) return `| ${name} | none | | |`;
    const verdict = limit === undefined ? "" : `${limit}: ${value <= limit ? "met" : "missed"}`;
    return `| ${name} | ${value.toFixed(digits)} | ${range} | ${verdict} |`;
  });
  return ["| | median | rounds | limit |", "| --- | ---: | ---: | --- |", ...rows].join("\n");
}

async function main(): Promise<void> {
  const rounds: Compared[] = [];
  for (let round = 1; round <= Number(values.rounds); round++) {
    const figures = await compare();
    const load = loadavg()[0]?.toFixed(1);
    console.log(
      `round ${round}: ${ROWS.map(({ key, name, digits }) => `${name} ${figures[key].toFixed(digits)}`).join("; ")}; load of the machine ${load}`,
    );
    const requests = Object.entries(figures.requests).toSorted(([, one], [, other]) => other - one);
    console.log(
      `requests per second: ${requests.map(([what, count]) => `${what} ${count.toFixed(1)}`).join(", ")}`,
    );
    rounds.push(figures);
  }
  const machine = `${cpus().length} cores (${cpus()[0]?.model.trim()}), ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.versions.node}`;
  const text = `${table(rounds)}\n\n${scale.policies} policies, ${scale.pods} pods, ${scale.checkpoints} Checkpoints at the start, intervals of ${5 * scale.factor} to ${60 * scale.factor} minutes; medians of ${values.rounds} rounds of ${scale.seconds} s, ${machine}.\n\n    ${command}\n`;
  mkdirSync("bench/results", { recursive: true });
  writeFileSync("bench/results/policies.md", text);
  writeFileSync("bench/results/policies.json", `${JSON.stringify({ machine, command, rounds }, null, 2)}\n`);
  console.log(`\n${text}`);
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
