import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ControllerSettings } from "../../config/programs/controller";
import { COMMAND, ControllerProcess } from "../../testbed/cluster/process";
import { ApiServer, kubeconfigOf } from "../../testbed/fake-api-server";
import { settings } from "../../testbed/simulated-install";
import { percentile } from "../controller/each";
import { eventLoopPreload, readEventLoop } from "../controller/event-loop";
import { Cluster, type Start } from "./cluster";

/** Time from the first status of all policies to the measurement, so that the actions of the first evaluation have ended. */
const SETTLE_MS = 60_000;
/** Ticks of the timer that measures the event loop. */
const TICK_MS = 50;

export interface Scale {
  /** Number of policies. With 0, the controller runs without the function. */
  readonly policies: number;
  readonly pods: number;
  readonly checkpoints: number;
  /** Checkpoints that users create in a second. */
  readonly byUsers: number;
  /** Factor of the intervals, which are 5 to 60 minutes. */
  readonly factor: number;
  /** Time that is measured, s. */
  readonly seconds: number;
}

/** Figures of one round. */
export interface Figures {
  /** From the start of the process until it has written the status of all policies, s. */
  readonly startSeconds: number;
  /** CPU time until then, s. */
  readonly startCpuSeconds: number;
  /** CPU time in the measured time, percent of one core. */
  readonly cpuPercent: number;
  /** Resident memory in the measured time: the median of one value a second, MiB. */
  readonly restMiB: number;
  /** Peak of the resident memory since the start, MiB. */
  readonly peakMiB: number;
  /** Longest block of the event loop until all policies had a status, and in the measured time, ms. */
  readonly startBlockMs: number;
  readonly blockMs: number;
  /** Pods that policies match; one that two policies match counts twice. */
  readonly matched: number;
  /** Checkpoints of policies, requests of the controller, and changes of objects by others, in a second. */
  readonly startsPerSecond: number;
  readonly requestsPerSecond: number;
  readonly changesPerSecond: number;
  /** The requests by method and kind, in a second. */
  readonly requests: Readonly<Record<string, number>>;
  /** From the time at which a pod is due by an interval or cron to the start of its action, ms. */
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
  /** The same from a crossing of memory that an agent recorded, ms. */
  readonly crossingP50: number;
  readonly crossingMax: number;
}

/** Returns the settings of a controller without policies, or with all features of policies that need no other server. */
function settingsOf(hasPolicies: boolean): ControllerSettings {
  const common = { ...settings(), log: { level: "info" } } as const;
  if (!hasPolicies) return common;
  return {
    ...common,
    policies: {
      maxInFlight: 50,
      memory: { namespace: "cedana-system", readings: "agent" },
      actions: ["checkpoint", "deleteCheckpoints"],
      verify: false,
      webhook: false,
    },
  };
}

/** Runs a controller on a simulated cluster. @param nodeOptions of its Node.js, besides those of the image */
export async function measure(scale: Scale, nodeOptions: readonly string[]): Promise<Figures> {
  const server = new ApiServer();
  const cluster = new Cluster(server.api, scale);
  const folder = mkdtempSync(join(tmpdir(), "cedana-bench-policies-"));
  const [kubeconfig, preload, loop] = ["kubeconfig", "preload.cjs", "loop.json"].map((name) =>
    join(folder, name),
  ) as [string, string, string];
  writeFileSync(kubeconfig, kubeconfigOf(await server.start()));
  writeFileSync(preload, eventLoopPreload(loop, TICK_MS));
  cluster.answer();
  const startMs = performance.now();
  const controller = new ControllerProcess({
    kubeconfig,
    settings: settingsOf(scale.policies > 0),
    replica: "bench",
    folder,
    command: ["--require", preload, ...COMMAND.slice(0, -1), ...nodeOptions, ...COMMAND.slice(-1)],
  });
  const elapsedMs = () => performance.now() - startMs;
  try {
    await until("the controller leads, and all policies have a status", controller, () => {
      const isLeading =
        existsSync(controller.log) && readFileSync(controller.log, "utf8").includes('"msg":"leading"');
      return isLeading && cluster.reported().policies === scale.policies;
    });
    const readyMs = elapsedMs();
    const { cpuSeconds: startCpuSeconds } = controller.usage();
    cluster.change(scale.byUsers);
    await pause(SETTLE_MS);
    cluster.take();
    const [fromMs, from] = [elapsedMs(), controller.usage()];
    const resident: number[] = [];
    for (let second = 0; second < scale.seconds; second++) {
      await pause(1000);
      resident.push(controller.usage().residentMiB);
    }
    const [toMs, to] = [elapsedMs(), controller.usage()];
    const { starts, requests, changes } = cluster.take();
    const { matched } = cluster.reported();
    await controller.stop();
    const { blocked } = readEventLoop(loop);
    const longest = (after: number, before: number) =>
      Math.max(0, ...blocked.filter(({ atMs }) => atMs > after && atMs <= before).map(({ ms }) => ms));
    const seconds = (toMs - fromMs) / 1000;
    return {
      startSeconds: readyMs / 1000,
      startCpuSeconds,
      cpuPercent: ((to.cpuSeconds - from.cpuSeconds) / seconds) * 100,
      restMiB: percentile(resident, 0.5),
      peakMiB: to.peakMiB,
      startBlockMs: longest(0, readyMs),
      blockMs: longest(fromMs, toMs),
      matched,
      startsPerSecond: starts.length / seconds,
      requestsPerSecond: [...requests.values()].reduce((sum, count) => sum + count, 0) / seconds,
      requests: Object.fromEntries([...requests].map(([what, count]) => [what, count / seconds])),
      changesPerSecond: changes / seconds,
      ...delays(starts, startTimes(controller.log)),
    };
  } finally {
    cluster.stop();
    await controller.stop();
    server.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Returns when the controller started the actions of policies, by policy and pod, from its log. */
function startTimes(log: string): ReadonlyMap<string, readonly number[]> {
  const times = new Map<string, number[]>();
  for (const line of readFileSync(log, "utf8").split("\n")) {
    if (!line.includes('"action started"')) continue;
    const { time, policy, namespace, pod } = JSON.parse(line) as Record<string, string>;
    const key = `${policy}/${namespace}/${pod}`;
    times.set(key, [...(times.get(key) ?? []), Date.parse(time ?? "")]);
  }
  return times;
}

function delays(starts: readonly Start[], times: ReadonlyMap<string, readonly number[]>) {
  const of = (triggers: readonly string[]) =>
    starts
      .filter(({ policy }) => triggers.includes(policy.split("-")[0] ?? ""))
      .map(({ policy, namespace, pod, dueMs }) => {
        const all = times.get(`${policy}/${namespace}/${pod}`) ?? [];
        return (all.find((time) => time >= dueMs) ?? Number.POSITIVE_INFINITY) - dueMs;
      });
  const [ticks, crossings] = [of(["interval", "cron"]), of(["memory"])];
  return {
    p50: percentile(ticks, 0.5),
    p99: percentile(ticks, 0.99),
    max: percentile(ticks, 1),
    crossingP50: percentile(crossings, 0.5),
    crossingMax: percentile(crossings, 1),
  };
}

const lastLines = (file: string) => readFileSync(file, "utf8").split("\n").slice(-20).join("\n");

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

async function until(what: string, controller: ControllerProcess, holds: () => boolean): Promise<void> {
  for (const start = performance.now(); !holds();) {
    if (controller.exit) throw new Error(`the controller ended: ${lastLines(controller.log)}`);
    if (performance.now() - start > 600_000) throw new Error(`not within 10 minutes: ${what}`);
    await pause(500);
  }
}
