import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { cpus, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { measureAdmissions } from "./admissions";
import { startCluster } from "./cluster";
import { compareCheckpoints } from "./checkpoints";
import { median } from "./each";
import { measureRound, type Round } from "./round";
import { Scene } from "./scene";
import { measureWaiting } from "./waiting";

const { values } = parseArgs({
  options: {
    nodes: { type: "string", default: "1000,5000" },
    pods: { type: "string", default: "100000" },
    rounds: { type: "string", default: "3" },
    /** Instead of nodes: the first list of this many Checkpoints. */
    checkpoints: { type: "string" },
    /** Instead of nodes: the event loop with this many waiting Checkpoints of one tenant. */
    waiting: { type: "string" },
    /** Instead of nodes: admissions of `restore-from: latest` in a namespace with this many Checkpoints. */
    admissions: { type: "string" },
    /** Directory of commit 8cb8e57, with its dist/controller.js, to compare `--checkpoints` with. */
    against: { type: "string" },
  },
});
const command = values.checkpoints
  ? `npm run bench:controller -- --checkpoints ${values.checkpoints} --rounds ${values.rounds}${values.against ? " --against DIR" : ""}`
  : `npm run bench:controller -- --nodes ${values.nodes} --pods ${values.pods} --rounds ${values.rounds}`;

interface Result {
  readonly nodes: number;
  readonly pods: number;
  readonly rounds: readonly Round[];
}

const COLUMNS: readonly (readonly [keyof Round, string, number])[] = [
  ["p50", "p50, s", 2],
  ["p99", "p99, s", 2],
  ["max", "max, s", 2],
  ["nodesPerSecond", "nodes ready per second", 0],
  ["writesPerNode", "writes per node", 2],
  ["requestsPerSecond", "requests per second", 0],
  ["cpuSeconds", "CPU, s", 1],
  ["seconds", "duration, s", 1],
  ["restMiB", "idle, MiB", 0],
  ["peakMiB", "peak, MiB", 0],
];

async function measure(nodes: number, pods: number): Promise<Result> {
  const cluster = startCluster();
  const logs = mkdtempSync(join(tmpdir(), "cedana-bench-logs-"));
  const scene = new Scene(cluster.kubeconfig, nodes);
  try {
    await scene.open(pods);
    console.log(`${nodes} nodes, ${pods} other pods; logs in ${logs}`);
    const rounds: Round[] = [];
    for (let round = 0; round < Number(values.rounds); round++) {
      const result = await measureRound(scene, cluster.kubeconfig, logs, round + 1);
      console.log(
        `round ${round + 1}: ${COLUMNS.map(([key, name, digits]) => `${name} ${result[key].toFixed(digits)}`).join(", ")}`,
      );
      rounds.push(result);
    }
    return { nodes, pods, rounds };
  } finally {
    await scene.close();
    cluster.down();
  }
}

function table(results: readonly Result[]): string {
  const head = `| nodes | other pods | ${COLUMNS.map(([, name]) => name).join(" | ")} |`;
  const line = `| ---: | ---: |${COLUMNS.map(() => " ---: |").join("")}`;
  const rows = results.map(({ nodes, pods, rounds }) => {
    const cells = COLUMNS.map(([key, , digits]) => median(rounds.map((round) => round[key])).toFixed(digits));
    return `| ${nodes} | ${pods} | ${cells.join(" | ")} |`;
  });
  return [head, line, ...rows].join("\n");
}

async function main(): Promise<void> {
  if (values.waiting !== undefined) return waiting(Number(values.waiting));
  if (values.admissions !== undefined) return admissions(Number(values.admissions));
  if (values.checkpoints !== undefined) return checkpoints(Number(values.checkpoints));
  const results: Result[] = [];
  for (const nodes of values.nodes.split(",").map(Number))
    results.push(await measure(nodes, Number(values.pods)));
  const machine = `${cpus().length} cores (${cpus()[0]?.model.trim()}), ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.versions.node}`;
  const text = `${table(results)}\n\n${values.rounds === "1" ? "One round" : `Medians of ${values.rounds} rounds`} on ${machine}.\n\n    ${command}\n`;
  const directory = "bench/results";
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, "controller.md"), text);
  writeFileSync(
    join(directory, "controller.json"),
    `${JSON.stringify({ machine, command, results }, null, 2)}\n`,
  );
  console.log(`\n${text}`);
}

async function checkpoints(count: number): Promise<void> {
  const text = await compareCheckpoints(count, Number(values.rounds), values.against);
  const rounds = `Medians of ${values.rounds} rounds, Node ${process.versions.node}.`;
  mkdirSync("bench/results", { recursive: true });
  writeFileSync("bench/results/controller-checkpoints.md", `${text}\n\n${rounds}\n\n    ${command}\n`);
  console.log(`\n${text}\n\n${rounds}\n\n    ${command}`);
}

async function waiting(count: number): Promise<void> {
  const text = await measureWaiting(count, Number(values.rounds));
  console.log(`\n${text}\n\nMedians of ${values.rounds} rounds, Node ${process.versions.node}.`);
}

async function admissions(count: number): Promise<void> {
  const text = await measureAdmissions(count, Number(values.rounds));
  console.log(`\n${text}\n\nMedians of ${values.rounds} rounds, Node ${process.versions.node}.`);
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
