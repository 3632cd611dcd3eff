/**
 * Values that are known only when Terraform runs. cdktf hands them around as ordinary strings, numbers and lists that
 * carry a marker, so core can recognise them without importing cdktf. A check that reads such a value must pass it.
 */
import * as v from "./valibot";

const STRING_TOKEN = /\$\{TfToken\[|#\{TfToken\[/;
/** cdktf encodes number tokens as huge negative doubles; no quantity in this project comes near. */
const NUMBER_TOKEN_CEILING = -1e280;

/** True if the value, or any part of it, is resolved only by Terraform. */
export function isToken(value: unknown): boolean {
  if (typeof value === "string") return STRING_TOKEN.test(value);
  if (typeof value === "number") return value < NUMBER_TOKEN_CEILING;
  if (Array.isArray(value)) return value.length === 1 && isToken(value[0]);
  return false;
}

/** A check on one value that says what it wants in words. */
export interface Rule<T> {
  /** Problem code. */
  readonly code: string;
  /** Not called for values that only Terraform knows. */
  readonly test: (value: T) => boolean;
  /** What is wrong when the test fails: `is not a CIDR block`. */
  readonly message: string;
  readonly allowed: string;
  readonly remedy?: string;
  /** True if the given value must not be printed. */
  readonly secret?: boolean;
  /** What an editor can check by itself: merged into the JSON Schema of the property. */
  readonly jsonSchema?: Readonly<Record<string, unknown>>;
}

/** A rule as a step of a valibot pipe. The rule travels with the issue as its `requirement`. */
export function rule<T>(definition: Rule<T>): v.RawCheckAction<T> & { readonly requirement: Rule<T> } {
  const action = v.rawCheck<T>(({ dataset, addIssue }) => {
    if (dataset.typed && !isToken(dataset.value) && !definition.test(dataset.value)) {
      addIssue({ message: definition.message, expected: definition.allowed });
    }
  });
  return Object.assign(action, { requirement: definition });
}

/** A string that matches the pattern. */
export function pattern(
  expression: RegExp,
  definition: Omit<Rule<string>, "test" | "jsonSchema">,
): v.GenericSchema<string> {
  return v.pipe(
    v.string(),
    rule<string>({
      ...definition,
      test: (value) => expression.test(value),
      jsonSchema: { pattern: expression.source },
    }),
  );
}

/** A schema with the sentence that documentation and editors show for it. Its type stays that of the schema. */
export function described<const S extends v.GenericSchema>(schema: S, text: string): S {
  return v.pipe(schema, v.description(text)) as unknown as S;
}

/**
 * An optional property without a fixed default.
 * @param from what the default is derived from, or what applies without the property: `the cluster's version`
 */
export function derived<const S extends v.GenericSchema>(
  schema: S,
  from: string,
): v.OptionalSchema<S, undefined> {
  return v.pipe(v.optional(schema), v.metadata({ derived: from }));
}

/** An exclusive alternative, with the noun phrase that documentation calls it by: `a custom AMI`. */
export function titled<const S extends v.GenericSchema>(schema: S, title: string): S {
  return v.pipe(schema, v.title(title)) as unknown as S;
}

/** A whole number within bounds, both included. */
export function integer(min: number, max: number): v.GenericSchema<number> {
  return v.pipe(
    v.number(),
    rule<number>({
      code: "out-of-range",
      test: (value) => Number.isInteger(value) && value >= min && value <= max,
      message: "is not a whole number in range",
      allowed: max === Number.MAX_SAFE_INTEGER ? `at least ${min}` : `${min} to ${max}`,
      jsonSchema: {
        type: "integer",
        minimum: min,
        ...(max === Number.MAX_SAFE_INTEGER ? {} : { maximum: max }),
      },
    }),
  );
}
