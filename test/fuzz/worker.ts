/** Runs one slice in its own thread, so that the main thread can end an input that hangs. */
import { parentPort, workerData } from "node:worker_threads";
import { DEFAULT_RUNS, runSlice } from "./slice";
import { TARGETS } from "./targets";

export interface SliceOrder {
  readonly name: string;
  readonly seed: number;
  readonly path?: string;
  /** Number of inputs that were started: one 32-bit integer. */
  readonly progress: SharedArrayBuffer;
}

const { name, seed, path, progress } = workerData as SliceOrder;
const target = TARGETS.find((one) => one.name === name);
if (target === undefined) throw new Error(`no target ${name}`);
const started = new Int32Array(progress);
// One input of the smoke tests is ten here: the start of a thread takes a second.
const runs = 10 * (target.runs ?? DEFAULT_RUNS);
const result = runSlice(target, { seed, path, runs, onInput: () => Atomics.add(started, 0, 1) });
void result.then((value) => {
  // eslint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
  parentPort?.postMessage(value);
});
