/** Slices of the targets in TypeScript. */
import { Worker } from "node:worker_threads";
import { inputAt, type SliceResult } from "./slice";
import { TARGETS } from "./targets";
import type { SliceOrder } from "./worker";

/**
 * CPU time that one input may take. Inputs have at most some hundred kilobytes: a longer one takes a time that grows too fast. On a
 * busy machine, a run with a low priority may get no CPU for minutes.
 */
const HANG_MS = 60_000;
/** The same by the clock, for an input that waits for something. */
const WAIT_MS = 1_800_000;
const CHECK_MS = 1_000;

/** Runs one slice in a thread. An input that hangs is a failure. */
export async function typescriptSlice(
  program: string,
  order: Omit<SliceOrder, "progress">,
): Promise<SliceResult> {
  const progress = new SharedArrayBuffer(4);
  const started = new Int32Array(progress);
  const worker = new Worker(program, { workerData: { ...order, progress } satisfies SliceOrder });
  let [last, sinceMs, since] = [-1, performance.now(), process.cpuUsage()];
  return new Promise<SliceResult>((resolve, reject) => {
    const watch = setInterval(() => {
      const now = Atomics.load(started, 0);
      const { user, system } = process.cpuUsage(since);
      if (now !== last) [last, sinceMs, since] = [now, performance.now(), process.cpuUsage()];
      else if ((user + system) / 1000 > HANG_MS || performance.now() - sinceMs > WAIT_MS) {
        clearInterval(watch);
        void worker.terminate().then(() => resolve(hung(order, now)));
      }
    }, CHECK_MS);
    worker.once("message", (result: SliceResult) => {
      clearInterval(watch);
      void worker.terminate().then(() => resolve(result));
    });
    worker.once("error", (error) => {
      clearInterval(watch);
      reject(error);
    });
  });
}

function hung({ name, seed }: Omit<SliceOrder, "progress">, executions: number): SliceResult {
  const target = TARGETS.find((one) => one.name === name);
  // While an input that failed is made smaller, the place is beyond those of the slice.
  const input = target === undefined ? "" : inputAt(target, seed, executions - 1);
  const error = `input ${executions} of the slice did not end within ${HANG_MS / 1000} s of CPU time`;
  return { executions, failure: { target: name, seed, path: "", input, error } };
}
