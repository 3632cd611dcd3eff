/** One slice: a number of inputs of one target, all from one seed. */
import * as fc from "fast-check";
import { checkPrototypes, type Target } from "./target";

export interface Failure {
  readonly target: string;
  readonly seed: number;
  /** Leads fast-check to the smallest input it found: an argument of a repeated slice. */
  readonly path: string;
  readonly input: string;
  readonly error: string;
}

export interface SliceResult {
  readonly executions: number;
  readonly failure?: Failure;
}

export interface SliceOptions {
  readonly seed: number;
  /** Default: that of the target. */
  readonly runs?: number;
  /** Repeats one input. */
  readonly path?: string;
  /** Called before each input. */
  readonly onInput?: () => void;
}

export const DEFAULT_RUNS = 2_000;

/** Runs a slice. The same seed and number give the same inputs. Makes the first input that fails as small as it can. */
export async function runSlice(
  target: Target,
  { seed, runs = target.runs ?? DEFAULT_RUNS, path, onInput }: SliceOptions,
): Promise<SliceResult> {
  let executions = 0;
  const property = fc.asyncProperty(target.inputs, async (input) => {
    executions += 1;
    onInput?.();
    try {
      await target.check(input);
    } finally {
      checkPrototypes();
    }
  });
  const options = { seed, numRuns: runs, ...(path === undefined ? {} : { path, endOnFailure: true }) };
  const details = await fc.check(property, options);
  if (!details.failed) return { executions };
  const { counterexample, counterexamplePath, errorInstance } = details;
  const error =
    errorInstance instanceof Error ? (errorInstance.stack ?? errorInstance.message) : String(errorInstance);
  return {
    executions,
    failure: {
      target: target.name,
      seed,
      path: counterexamplePath ?? "",
      input: fc.stringify(counterexample?.[0]),
      error,
    },
  };
}

/** Returns the input at a place of a slice. */
export function inputAt(target: Target, seed: number, place: number): string {
  const inputs = fc.sample(
    fc.property(target.inputs, () => undefined),
    { seed, numRuns: place + 1 },
  );
  return fc.stringify(inputs.at(-1)?.[0]);
}
