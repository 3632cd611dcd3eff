/**
 * Counts what a call executes, instead of the time that it takes: the count is the same on each machine.
 *
 * Import this module before those that are measured: V8 counts blocks only in functions that it compiles after the start.
 */
import { Session } from "node:inspector";

interface Coverage {
  readonly result: readonly {
    readonly url: string;
    readonly functions: readonly { readonly ranges: readonly { readonly count: number }[] }[];
  }[];
}

const session = new Session();
session.connect();
// Commands of a session of the same thread end before they return.
session.post("Profiler.enable");
session.post("Profiler.startPreciseCoverage", { callCount: true, detailed: true });

/** Ends the counting, which makes all code slower. */
export function stopCounting(): void {
  session.post("Profiler.stopPreciseCoverage");
  session.disconnect();
}

/** Returns the number of blocks that were executed since the last call. */
function counted(): Promise<number> {
  return new Promise((resolve, reject) => {
    session.post("Profiler.takePreciseCoverage", (error, given) => {
      if (error) return reject(error);
      const { result } = given as unknown as Coverage;
      resolve(
        result
          .filter(({ url }) => !url.startsWith("node:"))
          .flatMap(({ functions }) => functions.flatMap(({ ranges }) => ranges))
          .reduce((sum, { count }) => sum + count, 0),
      );
    });
  });
}

/**
 * Returns the number of blocks of JavaScript that a call executes. Native code is not counted, such as a regular expression or the
 * copy of a buffer: one that takes too long ends a slice of the fuzzer as an input that hangs.
 */
export async function workOf(call: () => unknown): Promise<number> {
  await counted();
  await call();
  return counted();
}

/** An input of twice the length may take twice the work, and some more for what is done once. */
const MOST = 3;

/**
 * Returns by which factor the work grows with an input of twice the length, if that is more than the length explains; else
 * undefined. A quadratic reader has 4.
 */
export async function growth(read: (times: number) => unknown, times: number): Promise<number | undefined> {
  // What is compiled or cached at the first call is not counted.
  await read(8);
  const small = await workOf(() => read(times));
  const large = await workOf(() => read(2 * times));
  const factor = large / Math.max(small, 1);
  return factor > MOST ? factor : undefined;
}
