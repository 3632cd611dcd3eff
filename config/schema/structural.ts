/** Schemas of inputs that are fields of a kind of the Kubernetes API: shapes, bounds and descriptions come from the kind. */
import { formOf, type Schema } from "../../api";
import { rulesOf, satisfies } from "../cel";
import { described, derived, integer, isToken, rule } from "./rule";
import { mapping, shape } from "./shape";
import * as v from "./valibot";

/** Fields of a kind as an input: writable, like the inputs of all other schemas. */
export type StructuralInput<T> = T extends object ? { -readonly [K in keyof T]: StructuralInput<T[K]> } : T;

/** Adds the validation rules (CEL) of an object of a kind to the schema of its input. Those of its properties are in theirs. */
export function withRules(input: v.GenericSchema, schema: Schema): v.GenericSchema {
  const steps = rulesOf(schema).map((one) =>
    rule<unknown>({
      code: "rule-of-kind",
      whole: true,
      test: (value) => containsToken(value) || satisfies(one, value),
      message: `breaks a rule of its kind: ${one.message}`,
    }),
  );
  return steps.length === 0 ? input : v.pipe(input, ...steps);
}

/** Returns whether a part of the value is known to Terraform only. */
function containsToken(value: unknown): boolean {
  if (isToken(value)) return true;
  return typeof value === "object" && value !== null && Object.values(value).some(containsToken);
}

/** Returns the properties of an object of a kind as an input, to be combined with others, and with `withRules`. */
export function structuralEntries({
  properties = {},
  required = [],
}: Schema): Record<string, v.GenericSchema> {
  return Object.fromEntries(
    Object.entries(properties).map(([name, property]) => [name, entry(property, required.includes(name))]),
  );
}

function entry(schema: Schema, isRequired: boolean): v.GenericSchema {
  const { default: value, description = "" } = schema;
  if (isRequired) return described(plain(schema), description);
  if (value !== undefined) return described(v.optional(plain(schema), value), description);
  const [text = "", from = "none"] = description.split(/ Default: (.*)\.$/);
  return described(derived(plain(schema), from), text);
}

/** Schemas by type. */
const BUILDERS: Readonly<Record<Schema["type"], (schema: Schema) => v.GenericSchema>> = {
  object: (schema) =>
    schema.additionalProperties === undefined
      ? shape(structuralEntries(schema))
      : mapping(v.string(), plain(schema.additionalProperties)),
  array: list,
  integer: ({ minimum = 0, maximum = Number.MAX_SAFE_INTEGER }) => integer(minimum, maximum),
  boolean: () => v.boolean(),
  string: (schema) => (schema.enum === undefined ? text(schema) : v.picklist(schema.enum)),
};

function plain(schema: Schema): v.GenericSchema {
  return withRules(BUILDERS[schema.type](schema), schema);
}

function list(schema: Schema): v.GenericSchema {
  const { items, minItems = 0, maxItems = Number.MAX_SAFE_INTEGER } = schema;
  if (items === undefined) throw new Error("a list of a kind has the schema of its items");
  const isSet = schema["x-kubernetes-list-type"] === "set";
  return v.pipe(
    v.array(plain(items)),
    rule<unknown[]>({
      code: "out-of-range",
      test: ({ length }) => length >= minItems && length <= maxItems,
      message: "has too few or too many items",
      allowed: `${minItems} to ${maxItems} items`,
      jsonSchema: { minItems, maxItems },
    }),
    rule<unknown[]>({
      code: "duplicate",
      test: (all) => !isSet || new Set(all).size === all.length,
      message: "has an item twice",
      ...(isSet && { jsonSchema: { uniqueItems: true } }),
    }),
  );
}

function text(schema: Schema): v.GenericSchema<string> {
  const { pattern = "", minLength = 0, maxLength = Number.MAX_SAFE_INTEGER } = schema;
  const bounded = v.pipe(
    v.string(),
    rule<string>({
      code: "out-of-range",
      test: ({ length }) => length >= minLength && length <= maxLength,
      message: "is too short or too long",
      allowed: `${minLength} to ${maxLength} characters`,
      jsonSchema: { minLength, maxLength },
    }),
  );
  if (pattern === "") return bounded;
  const form = new RegExp(pattern);
  return v.pipe(
    bounded,
    rule<string>({
      code: "invalid-text",
      test: (value) => form.test(value),
      message: "does not have the required form",
      allowed: formOf(pattern),
      jsonSchema: { pattern },
    }),
  );
}
