import * as v from "./valibot";
import { InvalidInputError, type Problem } from "./problem";
import { toProblem } from "./issues";

/** A check over several properties of a value whose shape is already known to be right. */
export type CrossCheck<T> = (value: T) => readonly Problem[];

export type Checked<T> =
  | { readonly value: T; readonly problems?: undefined }
  | { readonly problems: readonly Problem[] };

/** Checks the shape, then (only if the shape is right) what depends on several properties. Fills in defaults. */
export function check<const S extends v.GenericSchema>(
  schema: S,
  input: unknown,
  ...crossChecks: readonly CrossCheck<v.InferOutput<S>>[]
): Checked<v.InferOutput<S>> {
  const result = v.safeParse(schema, input);
  if (!result.success) return { problems: result.issues.map(toProblem) };
  const problems = crossChecks.flatMap((crossCheck) => crossCheck(result.output));
  return problems.length > 0 ? { problems } : { value: result.output };
}

/**
 * The input with its defaults filled in.
 * @throws InvalidInputError naming `subject` and every problem.
 */
export function resolve<const S extends v.GenericSchema>(
  subject: string,
  schema: S,
  input: unknown,
  ...crossChecks: readonly CrossCheck<v.InferOutput<S>>[]
): v.InferOutput<S> {
  const checked = check(schema, input, ...crossChecks);
  if (checked.problems) throw new InvalidInputError(subject, checked.problems);
  return checked.value;
}
