import { mkdirSync, writeFileSync } from "node:fs";
import { cpus, loadavg, totalmem } from "node:os";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { ROOT } from "../../testbed/node/run";
import { Bench, type Measured } from "./measure";
import { limits, table, type Results } from "./report";
import { withSide, type Side, type SideKind } from "./sides";
import { wrapperMs } from "./wrapper";

/** The limit of what the wrapper may add to the creation of an ordinary container. */
const WRAPPER_MS = 5;

const { values } = parseArgs({
  options: {
    sizes: { type: "string", default: "1,64,256,1024" },
    rounds: { type: "string", default: "3" },
    against: { type: "string" },
    lazy: { type: "boolean", default: false },
  },
});
const sizes = values.sizes.split(",").map(Number);
const rounds = Number(values.rounds);
const against = values.against === undefined ? "" : ` --against ${values.against}`;
const lazy = values.lazy ? " --lazy" : "";
const command = `npm run bench:node --${against}${lazy} --sizes ${values.sizes} --rounds ${rounds}`;

const all = new Map<number, Partial<Record<SideKind, Measured[]>>>(sizes.map((each) => [each, {}]));
const overheads: number[] = [];

async function measure({ kind }: Side, folder: string, round: number): Promise<void> {
  const bench = await Bench.open(folder);
  // The first checkpoint and restore load programs and images of the node. They are not counted.
  await bench.measure(1, "first");
  if (kind === "criu") overheads.push(wrapperMs(bench.node));
  for (const megabytes of sizes) {
    const result = await bench.measure(megabytes, `${megabytes}`);
    (all.get(megabytes)![kind] ??= []).push(result);
    const load = loadavg()[0]!.toFixed(1);
    console.log(`round ${round}, ${kind}, ${megabytes} MB, load ${load}: ${JSON.stringify(result)}`);
  }
}

async function main(): Promise<void> {
  const sides: Side[] = [{ kind: "criu", checkout: ROOT }];
  if (values.lazy) sides.push({ kind: "criu lazy", checkout: ROOT });
  if (values.against !== undefined) sides.unshift({ kind: "kubelet", checkout: resolve(values.against) });
  for (let round = 1; round <= rounds; round++)
    for (const side of sides) await withSide(side, ({ folder }) => measure(side, folder, round));
  const machine = `${cpus().length} cores (${cpus()[0]?.model.trim()}), ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.versions.node}`;
  const results: ReadonlyMap<number, Results> = all;
  const wrapper = overheads.toSorted((a, b) => a - b)[Math.floor(overheads.length / 2)]!;
  const text = [
    table(results),
    limits(results),
    `The wrapper adds ${wrapper.toFixed(1)} ms to a creation: limit ${WRAPPER_MS} ms, ${wrapper <= WRAPPER_MS ? "met" : "MISSED"}.`,
    `Medians of ${rounds} rounds on ${machine}.`,
    `    ${command}\n`,
  ]
    .filter(Boolean)
    .join("\n\n");
  mkdirSync("bench/results", { recursive: true });
  writeFileSync("bench/results/node.md", text);
  writeFileSync(
    "bench/results/node.json",
    `${JSON.stringify({ command, machine, all: Object.fromEntries(all), overheads }, undefined, 1)}\n`,
  );
  console.log(`\n${text}`);
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
