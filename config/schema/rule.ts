/** Rules of schemas. A check must accept Terraform tokens (see isToken). */
import * as v from "./valibot";

const STRING_TOKEN = /\$\{TfToken\[|#\{TfToken\[/;
/** Upper bound of number tokens: cdktf encodes them as negative doubles below it. No quantity of this project is. */
const NUMBER_TOKEN_CEILING = -1e280;

/**
 * Returns whether the value is or contains a token: a value that only Terraform resolves. cdktf encodes tokens as strings,
 * numbers and lists with a marker, so they are detected here without importing cdktf.
 */
export function isToken(value: unknown): boolean {
  if (typeof value === "string") return STRING_TOKEN.test(value);
  if (typeof value === "number") return value < NUMBER_TOKEN_CEILING && value !== -Infinity;
  if (Array.isArray(value)) return value.length === 1 && isToken(value[0]);
  return false;
}

/** Describes a check of one value, with the texts of its problem. */
export interface Rule<T> {
  /** Problem code. */
  readonly code: string;
  /** Returns whether the value is valid. It is not called for tokens. */
  readonly test: (value: T) => boolean;
  /** Message of the problem, such as `is not a CIDR block`. */
  readonly message: string;
  readonly allowed?: string;
  readonly remedy?: string;
  /** Whether it concerns several properties: it is checked only if each of them is valid, and the problem does not repeat them. */
  readonly whole?: boolean;
  /** Whether the problem must not repeat the value. */
  readonly secret?: boolean;
  /** Keywords to merge into the JSON Schema of the property, so that editors check them. */
  readonly jsonSchema?: Readonly<Record<string, unknown>>;
}

/** Returns a rule as a step of a valibot pipe. Its issues carry the rule as `requirement`. */
export function rule<T>(definition: Rule<T>): v.RawCheckAction<T> & { readonly requirement: Rule<T> } {
  const action = v.rawCheck<T>(({ dataset, addIssue }) => {
    // Issues of properties have a path, those of other rules of this value have none.
    const isIncomplete = definition.whole === true && (dataset.issues ?? []).some(({ path }) => path);
    if (dataset.typed && !isIncomplete && !isToken(dataset.value) && !definition.test(dataset.value)) {
      addIssue({ message: definition.message, expected: definition.allowed });
    }
  });
  return Object.assign(action, { requirement: definition });
}

/** Returns the schema of a string that matches the expression. */
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

/** Adds a description to a schema, for documentation and editors. The type of the schema does not change. */
export function described<const S extends v.GenericSchema>(schema: S, text: string): S {
  return v.pipe(schema, v.description(text)) as unknown as S;
}

/**
 * Returns the schema of an optional property without a fixed default.
 * @param from the source of the default, or the behavior without the property, such as `the cluster's version`
 */
export function derived<const S extends v.GenericSchema>(
  schema: S,
  from: string,
): v.OptionalSchema<S, undefined> {
  return v.pipe(v.optional(schema), v.metadata({ derived: from }));
}

/** Adds a title to an alternative, for documentation: a noun phrase such as `a custom AMI`. */
export function titled<const S extends v.GenericSchema>(schema: S, title: string): S {
  return v.pipe(schema, v.title(title)) as unknown as S;
}

/** What a schema of integers calls its values in messages. */
export const INTEGER = "an integer";

/** Returns the schema of an integer from `min` to `max`, both included. */
export function integer(min: number, max: number): v.GenericSchema<number> {
  const isBounded = max !== Number.MAX_SAFE_INTEGER;
  const range = isBounded ? `${min} to ${max}` : `at least ${min}`;
  return v.pipe(
    v.number(INTEGER),
    rule<number>({
      code: "out-of-range",
      test: (value) => Number.isInteger(value),
      message: "is not an integer",
      allowed: `an integer, ${range}`,
      jsonSchema: { type: "integer" },
    }),
    rule<number>({
      code: "out-of-range",
      test: (value) => !Number.isInteger(value) || (value >= min && value <= max),
      message: "is out of range",
      allowed: range,
      jsonSchema: { minimum: min, ...(isBounded && { maximum: max }) },
    }),
  );
}
