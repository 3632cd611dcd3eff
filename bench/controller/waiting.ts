import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { FakeApi } from "../../testbed/fake-api";
import { ApiServer, kubeconfigOf } from "../../testbed/fake-api-server";
import { COMMAND, ControllerProcess } from "../../testbed/cluster/process";
import { putOthers, settings } from "../../testbed/simulated-install";
import { median } from "./each";
import { eventLoopPreload, readEventLoop } from "./event-loop";

const GROUP = "/apis/automation.cedana.ai/v1alpha1";
const REQUESTS = `${GROUP}/namespaces/cedana-system/nodecheckpoints`;
const NODE = "node-of-the-tenant";
const DIGEST = `sha256:${"a".repeat(64)}`;
/** Checkpoints that end while the others wait. */
const ENDS = 200;

interface Figures {
  /** Longest block of the event loop until all Checkpoints are known to wait, by CPU time, ms. */
  readonly startMs: number;
  /** The same after that, while Checkpoints end and others start. */
  readonly waitingMs: number;
  /** Longest delay of the event loop, from outside of the process: other processes of the machine count, ms. */
  readonly delayMs: number;
  /** From the start of the process until all Checkpoints are known to wait, s. */
  readonly seconds: number;
}

/**
 * Measures the event loop of a controller with many waiting Checkpoints of one tenant, on one node that checkpoints two at a time.
 * @returns a table in Markdown
 */
export async function measureWaiting(count: number, rounds: number): Promise<string> {
  const results: Figures[] = [];
  for (let round = 1; round <= rounds; round++) {
    const figures = await measure(count);
    const { startMs, waitingMs, delayMs, seconds } = figures;
    console.log(
      `round ${round}: longest block ${startMs.toFixed(0)} ms in the first ${seconds.toFixed(0)} s, ${waitingMs.toFixed(0)} ms later; longest delay ${delayMs.toFixed(0)} ms`,
    );
    results.push(figures);
  }
  const of = (key: keyof Figures) => median(results.map((one) => one[key])).toFixed(0);
  return [
    "| waiting Checkpoints | longest block at the start, ms | longest block later, ms | longest delay, ms | all wait after, s |",
    "| ---: | ---: | ---: | ---: | ---: |",
    `| ${count} | ${of("startMs")} | ${of("waitingMs")} | ${of("delayMs")} | ${of("seconds")} |`,
  ].join("\n");
}

async function measure(count: number): Promise<Figures> {
  const server = new ApiServer();
  const { api } = server;
  putOthers(api, 0, 0);
  for (let index = 0; index < count; index++) putWaiting(api, index);
  api.compact();
  const folder = mkdtempSync(join(tmpdir(), "cedana-bench-waiting-"));
  const [kubeconfig, preload, target] = ["kubeconfig", "preload.cjs", "loop.json"].map((name) =>
    join(folder, name),
  ) as [string, string, string];
  writeFileSync(kubeconfig, kubeconfigOf(await server.start()));
  writeFileSync(preload, eventLoopPreload(target));
  const start = performance.now();
  const controller = new ControllerProcess({
    kubeconfig,
    settings: settings(),
    replica: "bench",
    folder,
    command: ["--require", preload, ...COMMAND],
  });
  try {
    await until("all Checkpoints wait", controller, () => phases(api, count).waiting >= count - 2);
    const endMs = performance.now() - start;
    await until("Checkpoints end", controller, () => {
      answer(api);
      return phases(api, count).ended >= ENDS;
    });
    await controller.stop();
    const { delayMs, blocked } = readEventLoop(target);
    const long = blocked
      .filter(({ ms }) => ms > 50)
      .map(({ atMs, ms }) => `${ms.toFixed(0)} ms at ${atMs} ms`);
    if (long.length > 0) console.log(`blocks of more than 50 ms: ${long.join(", ")}`);
    const longest = (some: typeof blocked) => Math.max(0, ...some.map(({ ms }) => ms));
    return {
      startMs: longest(blocked.filter(({ atMs }) => atMs <= endMs)),
      waitingMs: longest(blocked.filter(({ atMs }) => atMs > endMs)),
      delayMs,
      seconds: endMs / 1000,
    };
  } finally {
    await controller.stop();
    server.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Puts a Checkpoint without a status, and its running pod. */
function putWaiting(api: FakeApi, index: number): void {
  const name = `web-${index}`;
  api.put("/api/v1/namespaces/tenant/pods", {
    metadata: { name, namespace: "tenant" },
    spec: { nodeName: NODE, containers: [{ name: "app", image: "app:1" }] },
    status: {
      phase: "Running",
      containerStatuses: [{ name: "app", restartCount: 0, state: { running: {} } }],
    },
  } as never);
  api.put(`${GROUP}/namespaces/tenant/checkpoints`, {
    metadata: {
      name,
      namespace: "tenant",
      generation: 1,
      creationTimestamp: new Date(Date.now() + index).toISOString(),
    },
    spec: { podRef: { name }, leaveRunning: true },
  } as never);
}

interface Conditions {
  readonly status?: { readonly conditions?: readonly { type: string; status: string; reason: string }[] };
}

function phases(api: FakeApi, count: number): { readonly waiting: number; readonly ended: number } {
  let [waiting, ended] = [0, 0];
  for (let index = 0; index < count; index++) {
    const object = api.get(`${GROUP}/namespaces/tenant/checkpoints/web-${index}`) as Conditions | undefined;
    const ready = object?.status?.conditions?.find(({ type }) => type === "Ready");
    if (ready?.reason === "Pending") waiting++;
    if (ready?.status === "True") ended++;
  }
  return { waiting, ended };
}

/** Completes all requests to the node, as its agent does. */
function answer(api: FakeApi): void {
  const requests = new Set(
    api.writes
      .filter(({ method, path }) => method === "POST" && path === REQUESTS)
      .map(({ body }) => nameOf(body)),
  );
  for (const name of requests)
    if (api.get(`${REQUESTS}/${name}`) !== undefined)
      api.edit(`${REQUESTS}/${name}`, (stored) =>
        Object.assign(stored, {
          status: {
            conditions: [{ type: "Ready", status: "True", reason: "CheckpointCompleted", message: "done" }],
            image: `registry.example.com/checkpoints@${DIGEST}`,
            digest: DIGEST,
            architecture: "amd64",
            containers: [{ name: "app" }],
          },
        }),
      );
}

function nameOf(body: { readonly content: unknown } | undefined): string {
  const { metadata } = (body?.content ?? { metadata: { name: "" } }) as {
    readonly metadata: { readonly name: string };
  };
  return metadata.name;
}

async function until(what: string, controller: ControllerProcess, holds: () => boolean): Promise<void> {
  for (const start = performance.now(); !holds();) {
    if (controller.exit) throw new Error(`the controller ended: see ${controller.log}`);
    if (performance.now() - start > 600_000) throw new Error(`not within 10 minutes: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}
