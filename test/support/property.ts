/** Property checks with the seed and the number of runs of the tier. */
import { assert, type IAsyncProperty, type IProperty } from "fast-check";
import { SEED, SOAK } from "../../testbed/random";

/** Checks a synchronous property with this number of cases, times 100 in the soak tier. */
export function assertProperty<T>(property: IProperty<T>, runs = 100): void {
  assert(property, parameters(runs));
}

/** Checks an asynchronous property with this number of cases, times 100 in the soak tier. */
export async function assertAsyncProperty<T>(property: IAsyncProperty<T>, runs = 100): Promise<void> {
  await assert(property, parameters(runs));
}

function parameters(runs: number) {
  return { seed: SEED, numRuns: SOAK ? 100 * runs : runs };
}
