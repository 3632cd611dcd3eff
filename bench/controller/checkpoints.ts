import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ControllerSettings } from "../../config/programs/controller";
import { COMMAND, ControllerProcess } from "../../testbed/cluster/process";
import { ApiServer, kubeconfigOf } from "../../testbed/fake-api-server";
import { checkpointOf, putOthers, settings } from "../../testbed/simulated-install";
import { median } from "./each";

/** Path of all Checkpoints. */
const CHECKPOINTS = "/apis/automation.cedana.ai/v1alpha1/checkpoints";
const PORTS = [29_462, 29_463] as const;

/** Figures of one start of a controller. */
interface Figures {
  /** From the start of the process to its first response that it is Ready, s. */
  readonly syncSeconds: number;
  /** CPU time until then, s. */
  readonly cpuSeconds: number;
  /** Resident memory 5 s later, MiB. */
  readonly restMiB: number;
  /** Peak of the resident memory, MiB. */
  readonly peakMiB: number;
}

/** A controller: this one, or the one of another commit. */
interface Side {
  readonly name: string;
  readonly command: readonly string[];
  readonly settings: object;
}

/** Returns the settings of the same functions for commit 8cb8e57, whose engine for nodes was `kubelet`. */
function earlierSettings(): object {
  const given = settings();
  const { namespace, repository, timeoutSeconds } = {
    namespace: "cedana-system",
    repository: "registry.example.com/checkpoints",
    timeoutSeconds: 300,
  };
  return {
    ...given,
    checkpoints: {
      namespaces: "all",
      maxPerNode: 2,
      locations: [],
      engine: "kubelet",
      agent: { namespace, repository, timeoutSeconds },
    },
  };
}

/**
 * Compares the first list of many Checkpoints by this controller and by the one of commit 8cb8e57, one after the other in each
 * round.
 * @param against directory of that commit, with `dist/controller.js`. Undefined: only this controller
 * @returns a table in Markdown
 */
export async function compareCheckpoints(
  count: number,
  rounds: number,
  against: string | undefined,
): Promise<string> {
  const sides: Side[] = [{ name: "this commit", command: COMMAND, settings: settings() }];
  if (against !== undefined) {
    const command = [join(against, "dist/controller.js")];
    sides.unshift({ name: "8cb8e57", command, settings: earlierSettings() });
  }
  const server = new ApiServer();
  putOthers(server.api, 0, 0);
  server.serveList(
    CHECKPOINTS,
    Array.from({ length: count }, (_, index) => checkpointOf(index)),
  );
  const address = await server.start();
  const folder = mkdtempSync(join(tmpdir(), "cedana-bench-checkpoints-"));
  const kubeconfig = join(folder, "kubeconfig");
  writeFileSync(kubeconfig, kubeconfigOf(address));
  const results = new Map<string, Figures[]>(sides.map(({ name }) => [name, []]));
  try {
    for (let round = 1; round <= rounds; round++)
      for (const side of sides) {
        const figures = await measure(side, kubeconfig, folder);
        results.get(side.name)?.push(figures);
        const { syncSeconds, cpuSeconds, restMiB, peakMiB } = figures;
        console.log(
          `round ${round}, ${side.name}: synced in ${syncSeconds.toFixed(1)} s (${cpuSeconds.toFixed(1)} s CPU), ${restMiB.toFixed(0)} MiB, peak ${peakMiB.toFixed(0)} MiB`,
        );
      }
  } finally {
    server.stop();
    rmSync(folder, { recursive: true });
  }
  return table(results, count);
}

async function measure(side: Side, kubeconfig: string, folder: string): Promise<Figures> {
  const start = performance.now();
  const controller = new ControllerProcess({
    kubeconfig,
    settings: side.settings as ControllerSettings,
    replica: side.name.replaceAll(" ", "-"),
    folder,
    command: side.command,
    ports: PORTS,
  });
  try {
    while (!(await isSynced())) {
      if (controller.exit) throw new Error(`${side.name} ended: see ${controller.log}`);
      if (performance.now() - start > 300_000) throw new Error(`${side.name}: not synced within 5 minutes`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    const syncSeconds = (performance.now() - start) / 1000;
    const { cpuSeconds } = controller.usage();
    await new Promise((resolve) => setTimeout(resolve, 5000));
    const { residentMiB: restMiB, peakMiB } = controller.usage();
    return { syncSeconds, cpuSeconds, restMiB, peakMiB };
  } finally {
    await controller.stop();
  }
}

/** Checks whether all lists are cached. The certificate of the webhook does not count: it has none here. */
function isSynced(): Promise<boolean> {
  return new Promise((resolve) => {
    const sent = request({ port: PORTS[1], path: "/readyz?verbose", agent: false }, (response) => {
      let text = "";
      response.on("data", (chunk) => (text += String(chunk)));
      response.on("end", () => resolve(text !== "" && !text.includes("[-]synced-")));
    });
    sent.on("error", () => resolve(false));
    sent.end();
  });
}

function table(results: ReadonlyMap<string, readonly Figures[]>, count: number): string {
  const columns: readonly (readonly [keyof Figures, string, number])[] = [
    ["syncSeconds", "first sync, s", 1],
    ["cpuSeconds", "CPU, s", 1],
    ["restMiB", "MiB after 5 s", 0],
    ["peakMiB", "peak, MiB", 0],
  ];
  const of = (figures: readonly Figures[], key: keyof Figures) => median(figures.map((one) => one[key]));
  const rows = [...results].map(
    ([name, figures]) =>
      `| ${name} | ${columns.map(([key, , digits]) => of(figures, key).toFixed(digits)).join(" | ")} |`,
  );
  const [first = [], second] = [...results.values()];
  if (second)
    rows.push(
      `| ratio | ${columns.map(([key]) => (of(second, key) / of(first, key)).toFixed(2)).join(" | ")} |`,
    );
  return [
    `| ${count} Checkpoints | ${columns.map(([, name]) => name).join(" | ")} |`,
    `| --- |${columns.map(() => " ---: |").join("")}`,
    ...rows,
  ].join("\n");
}
