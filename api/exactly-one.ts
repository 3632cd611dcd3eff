import { object, optional, type Optional, type Schema, type ValidationRule } from "./schema";

/** Returns the rule that exactly one of the fields is set. Its message names them all. */
export function exactlyOneRule(what: string, names: readonly string[]): ValidationRule {
  return {
    rule: `[${names.map((name) => `has(self.${name})`).join(", ")}].exists_one(isSet, isSet)`,
    message: `set exactly one ${what}: ${namesOf(names)}`,
  };
}

/** Returns the names as in a sentence: `a`, `a or b`, `a, b or c`. */
export function namesOf(names: readonly string[]): string {
  const [last = "", ...others] = names.toReversed();
  return others.length === 0 ? last : `${others.toReversed().join(", ")} or ${last}`;
}

type AllOptional<F> = { readonly [K in keyof F]: F[K] extends Schema<infer T> ? Optional<T> : never };

/**
 * An object of which exactly one field is set, from a table of the fields.
 * @param what the fields are: `trigger`
 */
export function exactlyOne<const F extends Readonly<Record<string, Schema>>>(
  what: string,
  description: string,
  fields: F,
) {
  const entries = Object.entries(fields).map(([name, schema]) => [name, optional(schema)] as const);
  return object(description, Object.fromEntries(entries) as AllOptional<F>, [
    exactlyOneRule(what, Object.keys(fields)),
  ]);
}
