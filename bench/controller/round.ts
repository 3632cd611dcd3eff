import { ControllerProcess } from "../../testbed/cluster/process";
import { Random } from "../../testbed/random";
import { percentile } from "./each";
import type { Scene } from "./scene";

/** Results of one round. Times are in seconds. */
export interface Round {
  /** From the observation that both pods are Ready to the observation that the taint was removed. */
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
  /** Rate at which nodes became ready, from the first to the last. */
  readonly nodesPerSecond: number;
  readonly writesPerNode: number;
  /** From the first ready node to the last condition. */
  readonly seconds: number;
  readonly requestsPerSecond: number;
  /** CPU time and peak memory of the controller since its start. */
  readonly cpuSeconds: number;
  readonly peakMiB: number;
  /** Memory before the first node became ready. */
  readonly restMiB: number;
}

/** Starts a controller and makes all nodes ready once. */
export async function measureRound(
  scene: Scene,
  kubeconfig: string,
  logs: string,
  seed: number,
): Promise<Round> {
  await scene.reset();
  const settings = scene.gate.settings({ explainAfterSeconds: 86_400 });
  const controller = new ControllerProcess({
    kubeconfig,
    settings: { ...settings, log: { level: "warn" } },
    replica: `bench-${seed}`,
    folder: logs,
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
    const startMs = Date.now();
    await scene.ready(order);
    const seconds = (Date.now() - startMs) / 1000;
    const sent = (await metric("rest_client_requests_total")) - requests;
    const transitions = [...scene.transitions.values()];
    const times = transitions.map(({ readyAt = NaN, untaintedAt = NaN }) => (untaintedAt - readyAt) / 1000);
    const readyAt = transitions.map(({ readyAt = NaN }) => readyAt);
    return {
      p50: percentile(times, 0.5),
      p99: percentile(times, 0.99),
      max: percentile(times, 1),
      nodesPerSecond: (transitions.length / (percentile(readyAt, 1) - Math.min(...readyAt))) * 1000,
      writesPerNode: transitions.reduce((sum, { writes }) => sum + writes, 0) / transitions.length,
      seconds,
      requestsPerSecond: sent / seconds,
      restMiB,
      ...controller.usage(),
    };
  } finally {
    await controller.stop();
  }
}

const METRICS_PORT = 29_460;

/** Returns the sum of a metric of the controller over all labels; 0 if it is missing. */
async function metric(name: string): Promise<number> {
  const response = await fetch(`http://127.0.0.1:${METRICS_PORT}/metrics`).catch(() => undefined);
  const lines = ((await response?.text()) ?? "").split("\n");
  return lines
    .filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" ") + 1)), 0);
}

async function waitUntil(what: string, holds: () => Promise<boolean>): Promise<void> {
  const end = Date.now() + 120_000;
  while (!(await holds())) {
    if (Date.now() > end) throw new Error(`not reached within two minutes: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}
