import { mkdirSync, writeFileSync } from "node:fs";
import { cpus, totalmem } from "node:os";
import { parseArgs } from "node:util";
import { counting, Counts } from "../../testbed/node/counting";
import { openEngine, type Engine } from "../../testbed/node/engine";
import { median } from "../controller/each";
import { byEngine, Floor, type Measured } from "./measure";

const { values } = parseArgs({
  options: {
    sizes: { type: "string", default: "1,64,256,1024" },
    rounds: { type: "string", default: "5" },
  },
});
const rounds = Number(values.rounds);
const command = `npm run bench:node -- --sizes ${values.sizes} --rounds ${rounds}`;

interface Round {
  readonly floor: Measured & { readonly dumpSeconds: number };
  readonly engine: Measured;
}

/** Measures floor and engine alternately, so that load on the machine affects both. */
async function measure(engine: Engine, megabytes: number): Promise<Round[]> {
  const pod = `count-${megabytes}`;
  engine.runPod({ metadata: { name: pod }, spec: { containers: [counting("count", megabytes)] } });
  await new Counts(engine).reach(pod, "count", 2);
  const floor = new Floor(engine, pod);
  const results: Round[] = [];
  // The first round warms the page cache and is not counted.
  for (let round = 0; round <= rounds; round++) {
    const result = { floor: await floor.measure(), engine: await byEngine(engine, pod, `${pod}-${round}`) };
    if (round > 0) results.push(result);
  }
  engine.kubectl(["delete", "pod", pod, "--grace-period=1"]);
  return results;
}

function row(megabytes: number, results: readonly Round[]): string {
  const of = (pick: (round: Round) => number, digits: number) => median(results.map(pick)).toFixed(digits);
  return `| ${[
    megabytes,
    of(({ floor }) => floor.bytes / 2 ** 20, 1),
    of(({ floor }) => floor.dumpSeconds, 2),
    of(({ floor }) => floor.seconds, 2),
    of(({ engine }) => engine.seconds, 2),
    of(({ floor, engine }) => engine.seconds / floor.seconds, 2),
    of(({ floor }) => floor.frozenMs, 0),
    of(({ engine }) => engine.frozenMs, 0),
    of(({ engine }) => engine.bytes / 2 ** 20, 1),
  ].join(" | ")} |`;
}

const HEAD = `| memory, MB | archive, MiB | kubelet alone, s | floor, s | engine, s | ratio | CRIU freeze at the floor, ms | CRIU freeze with the engine, ms | pushed, MiB |
| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |`;

async function main(): Promise<void> {
  const engine = await openEngine({ quota: "8Gi", reserve: "1Gi" });
  try {
    const rows: string[] = [];
    const all: Record<string, readonly Round[]> = {};
    for (const megabytes of values.sizes.split(",").map(Number)) {
      const results = await measure(engine, megabytes);
      all[megabytes] = results;
      rows.push(row(megabytes, results));
      console.log(rows.at(-1));
    }
    const machine = `${cpus().length} cores (${cpus()[0]?.model.trim()}), ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.versions.node}`;
    const text = `${HEAD}\n${rows.join("\n")}\n\nMedians of ${rounds} rounds on ${machine}. CRIU freeze: as reported by CRIU; the standstill of the container is longer.\n\n    ${command}\n`;
    mkdirSync("bench/results", { recursive: true });
    writeFileSync("bench/results/node.md", text);
    writeFileSync("bench/results/node.json", `${JSON.stringify({ command, machine, all }, undefined, 1)}\n`);
    console.log(`\n${text}`);
  } finally {
    engine.close();
  }
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
