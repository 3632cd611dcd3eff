import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { COMMAND, ControllerProcess } from "../../testbed/cluster/process";
import { median } from "../controller/each";
import { makeReady, NODES, putNode, putOthers, settings } from "../../testbed/simulated-install";
import { ApiServer, kubeconfigOf } from "../../testbed/fake-api-server";

const { values } = parseArgs({
  options: {
    nodes: { type: "string", default: "1000" },
    pods: { type: "string", default: "100000" },
    checkpoints: { type: "string", default: "2000" },
    rounds: { type: "string", default: "3" },
    /** Only the readiness gate. */
    gate: { type: "boolean", default: false },
    program: { type: "string", multiple: true, default: [COMMAND.join(" ")] },
  },
});
const [nodes, pods, checkpoints] = [values.nodes, values.pods, values.checkpoints].map(Number) as [
  number,
  number,
  number,
];

interface Figures {
  /** Resident memory 5 s after the controller became leader. */
  readonly restMiB: number;
  /** JavaScript heap at the same time, garbage included. */
  readonly heapMiB: number;
  /** Peak of the resident memory, from the start until all nodes are ready. */
  readonly peakMiB: number;
  readonly cpuSeconds: number;
}

const BATCH = 24;

async function measure(program: string): Promise<Figures> {
  const server = new ApiServer();
  const { api } = server;
  const { url, ca } = await server.start();
  putOthers(api, pods, checkpoints);
  for (let index = 0; index < nodes; index++) putNode(api, index);
  api.compact();
  const folder = mkdtempSync(join(tmpdir(), "cedana-bench-memory-"));
  const kubeconfig = join(folder, "kubeconfig");
  writeFileSync(kubeconfig, kubeconfigOf({ url, ca }));
  const given = settings();
  const controller = new ControllerProcess({
    kubeconfig,
    settings: values.gate ? { ...given, checkpoints: false, restore: false } : given,
    replica: "bench",
    folder,
    command: program.split(" "),
    ports: [METRICS_PORT, METRICS_PORT + 1],
  });
  try {
    await until("the controller leads", () => api.get(LEASE) !== undefined);
    await pause(5000);
    const { residentMiB: restMiB } = controller.usage();
    const heapMiB = (await metric("nodejs_heap_size_used_bytes")) / 2 ** 20;
    for (let index = 0; index < nodes; index += BATCH) {
      for (let at = index; at < Math.min(nodes, index + BATCH); at++) makeReady(api, at);
      await pause(100);
    }
    await until("every node is ready", () => readyNodes(api) === nodes);
    return { restMiB, heapMiB, ...controller.usage() };
  } finally {
    await controller.stop();
    server.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

const LEASE = "/apis/coordination.k8s.io/v1/namespaces/cedana-system/leases/cedana-controller";
const METRICS_PORT = 29_470;

async function metric(name: string): Promise<number> {
  const response = await fetch(`http://127.0.0.1:${METRICS_PORT}/metrics`);
  const line = (await response.text()).split("\n").find((one) => one.startsWith(`${name} `));
  return Number(line?.split(" ")[1]);
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

function readyNodes(api: ApiServer["api"]): number {
  const written = api.writes.filter(
    ({ method, path }) => method === "PATCH" && path.startsWith(NODES) && !path.endsWith("/status"),
  );
  // A write that is rejected is repeated.
  return new Set(written.map(({ path }) => path)).size;
}

async function until(what: string, holds: () => boolean): Promise<void> {
  for (const end = Date.now() + 120_000; !holds();) {
    if (Date.now() > end) throw new Error(`not within two minutes: ${what}`);
    await pause(200);
  }
}

async function main(): Promise<void> {
  const results = new Map<string, Figures[]>(values.program.map((program) => [program, []]));
  for (let round = 0; round < Number(values.rounds); round++)
    for (const [program, figures] of results) {
      const one = await measure(program);
      figures.push(one);
      console.log(
        `${program}: ${one.restMiB.toFixed(0)} MiB idle, ${one.peakMiB.toFixed(0)} MiB peak, ${one.cpuSeconds.toFixed(1)} s CPU`,
      );
    }
  const rows = [...results].map(([program, figures]) => {
    const of = (key: keyof Figures) =>
      median(figures.map((one) => one[key])).toFixed(key === "cpuSeconds" ? 1 : 0);
    return `| ${program} | ${of("restMiB")} | ${of("peakMiB")} | ${of("cpuSeconds")} |`;
  });
  const text = [
    "| program | MiB idle | MiB peak | CPU, s |",
    "| --- | ---: | ---: | ---: |",
    ...rows,
    "",
    `Medians of ${values.rounds} rounds, ${nodes} nodes, ${pods} other pods, ${checkpoints} Checkpoints, Node ${process.versions.node}.`,
    "",
  ].join("\n");
  mkdirSync("bench/results", { recursive: true });
  writeFileSync("bench/results/memory.md", text);
  console.log(`\n${text}`);
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
