import { readFileSync } from "node:fs";

/** What the preloaded module recorded of a process. */
export interface EventLoop {
  /** Longest delay, from outside of the process: other processes of the machine count, ms. */
  readonly delayMs: number;
  /** Blocks of more than 5 ms, with the time since the process began. */
  readonly blocked: readonly { readonly atMs: number; readonly ms: number }[];
}

/**
 * Returns a module for `node --require` that measures the event loop of a controller, once its program is loaded: between two
 * ticks of a timer, the time that passed and the CPU time of the process. The smaller one is how long the process itself blocked
 * a tick, without the effect of other processes. The process writes an EventLoop to the file when it ends.
 * @param everyMs time between two ticks, which is the precision of the result. 1 ms costs about a hundredth of a core
 */
export function eventLoopPreload(target: string, everyMs = 1): string {
  return `
const { monitorEventLoopDelay } = require("node:perf_hooks");
const { writeFileSync } = require("node:fs");
const delay = monitorEventLoopDelay({ resolution: ${everyMs} });
const blocked = [];
let [wall, cpu] = [performance.now(), process.cpuUsage()];
// The first tick follows the program's own modules: no event waits for them.
setTimeout(() => {
  delay.enable();
  [wall, cpu] = [performance.now(), process.cpuUsage()];
  setInterval(tick, ${everyMs}).unref();
}, 1);
function tick() {
  const passed = performance.now() - wall;
  const { user, system } = process.cpuUsage(cpu);
  [wall, cpu] = [performance.now(), process.cpuUsage()];
  const own = Math.min(passed, (user + system) / 1000);
  if (own > 5) blocked.push({ atMs: Math.round(wall), ms: own });
}
process.on("exit", () => {
  if (process.argv.includes("--settings"))
    writeFileSync(${JSON.stringify(target)}, JSON.stringify({ delayMs: delay.max / 1e6, blocked }));
});
`;
}

/** Reads what a process has written. */
export function readEventLoop(target: string): EventLoop {
  return JSON.parse(readFileSync(target, "utf8")) as EventLoop;
}
