import { ControllerProcess } from "../../test/integration/support/controller/process";
import { Random } from "../../test/support/random";
import { percentile } from "./each";
import type { Scene } from "./scene";

/** What one round gave. Times in seconds. */
export interface Round {
  /** From both pods seen Ready to taint seen gone. */
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
  /** Nodes that got ready in a second, from the first to the last. */
  readonly nodesPerSecond: number;
  readonly writesPerNode: number;
  /** From the first node that got ready until the last condition. */
  readonly seconds: number;
  readonly requestsPerSecond: number;
  /** Of the controller, from its start, as its CPU time and peak of memory. */
  readonly cpuSeconds: number;
  readonly peakMiB: number;
  /** Before the first node got ready. */
  readonly restMiB: number;
}

/** All nodes get ready once, with a controller that is started for it. */
export async function measureRound(
  scene: Scene,
  kubeconfig: string,
  folder: string,
  seed: number,
): Promise<Round> {
  await scene.reset();
  const settings = scene.gate.settings({ explainAfterSeconds: 86_400 });
  const controller = new ControllerProcess({
    kubeconfig,
    settings: { ...settings, log: { level: "warn" } },
    replica: `bench-${seed}`,
    folder,
    ports: [METRICS_PORT, METRICS_PORT + 1],
  });
  try {
    await waitUntil(
      "the controller leads",
      async () => (await metric("leader_election_master_status")) === 1,
    );
    await new Promise((resolve) => setTimeout(resolve, 5000));
    const { peakMiB: restMiB } = controller.usage();
    const requests = await metric("rest_client_requests_total");
    const random = new Random(seed);
    const order = scene.names
      .map((name) => ({ name, at: random.next() }))
      .toSorted((one, other) => one.at - other.at)
      .map(({ name }) => name);
    const begun = Date.now();
    await scene.ready(order);
    const seconds = (Date.now() - begun) / 1000;
    const asked = (await metric("rest_client_requests_total")) - requests;
    const passages = [...scene.passages.values()];
    const times = passages.map(({ readyAt = NaN, openAt = NaN }) => (openAt - readyAt) / 1000);
    const readyAt = passages.map(({ readyAt = NaN }) => readyAt);
    return {
      p50: percentile(times, 0.5),
      p99: percentile(times, 0.99),
      max: percentile(times, 1),
      nodesPerSecond: (passages.length / (percentile(readyAt, 1) - Math.min(...readyAt))) * 1000,
      writesPerNode: passages.reduce((sum, { writes }) => sum + writes, 0) / passages.length,
      seconds,
      requestsPerSecond: asked / seconds,
      restMiB,
      ...controller.usage(),
    };
  } finally {
    await controller.stop();
  }
}

const METRICS_PORT = 29_460;

/** Sum over the labels of one of the controller's own metrics; 0 if it has none. */
async function metric(name: string): Promise<number> {
  const answer = await fetch(`http://127.0.0.1:${METRICS_PORT}/metrics`).catch(() => undefined);
  const lines = ((await answer?.text()) ?? "").split("\n");
  return lines
    .filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" ") + 1)), 0);
}

async function waitUntil(what: string, holds: () => Promise<boolean>): Promise<void> {
  const end = Date.now() + 120_000;
  while (!(await holds())) {
    if (Date.now() > end) throw new Error(`not within two minutes: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}
