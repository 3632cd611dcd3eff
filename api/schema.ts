/**
 * Builders of structural OpenAPI schemas, as a CustomResourceDefinition contains them. The TypeScript type of the values
 * is inferred from the schema, so that a field is defined in one place.
 */

declare const VALUE: unique symbol;

/** A rule in the Common Expression Language. The API server evaluates it. */
export interface ValidationRule {
  readonly rule: string;
  readonly message: string;
  readonly reason?: "FieldValueRequired";
}

/** An OpenAPI schema whose values have the type T. */
export interface Schema<T = unknown> {
  readonly type: "object" | "array" | "string" | "integer" | "boolean";
  readonly description?: string;
  readonly format?: "date-time" | "int32" | "int64";
  readonly enum?: readonly string[];
  readonly default?: unknown;
  readonly pattern?: string;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly items?: Schema;
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: Schema;
  readonly maxProperties?: number;
  readonly "x-kubernetes-list-type"?: "atomic" | "map" | "set";
  readonly "x-kubernetes-list-map-keys"?: readonly string[];
  readonly "x-kubernetes-validations"?: readonly ValidationRule[];
  /** Exists for the compiler only. */
  readonly [VALUE]?: T;
}

/** A field that may be missing. */
export interface Optional<T = unknown> {
  readonly optional: Schema<T>;
}

export type Fields = Readonly<Record<string, Schema | Optional>>;

/** Type of the values of a schema. */
export type Infer<S> = S extends Schema<infer T> ? T : never;

type OptionalName<F> = { [K in keyof F]: F[K] extends Optional ? K : never }[keyof F];

/** Writes an intersection as one object type. */
type Flatten<T> = { [K in keyof T]: T[K] };

/** Type of an object with these fields. */
type ObjectOf<F> = Flatten<
  { readonly [K in Exclude<keyof F, OptionalName<F>>]: Infer<F[K]> } & {
    readonly [K in OptionalName<F>]?: F[K] extends Optional<infer T> ? T : never;
  }
>;

/** Marks a field as optional. A field with a default is optional too: the API server sets it. */
export const optional = <T>(schema: Schema<T>): Optional<T> => ({ optional: schema });

/** An object. Its fields are required, except those marked as optional. */
export function object<const F extends Fields>(
  description: string | undefined,
  fields: F,
  rules: readonly ValidationRule[] = [],
): Schema<ObjectOf<F>> {
  const entries = Object.entries(fields);
  const required = entries.filter(([, field]) => !isOptional(field)).map(([name]) => name);
  return {
    type: "object",
    ...(description === undefined ? {} : { description }),
    ...(required.length > 0 ? { required } : {}),
    properties: Object.fromEntries(
      entries.map(([name, field]) => [name, isOptional(field) ? field.optional : field]),
    ),
    ...(rules.length > 0 ? { "x-kubernetes-validations": rules } : {}),
  };
}

function isOptional(field: Schema | Optional): field is Optional {
  return "optional" in field;
}

/** A list whose merge strategy is `atomic` (replaced as a whole), `set`, or a map by the field `key`. */
export function list<T>(
  description: string,
  items: Schema<T>,
  { merge, ...bounds }: { merge: "atomic" | "set" | { key: string }; minItems?: number; maxItems: number },
): Schema<readonly T[]> {
  return {
    type: "array",
    description,
    ...bounds,
    items,
    ...(typeof merge === "string"
      ? { "x-kubernetes-list-type": merge }
      : { "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [merge.key] }),
  };
}

/** A map from names to strings, such as labels. Its keys are not validated. */
export function textMap(
  description: string,
  { maxProperties, maxLength }: { maxProperties: number; maxLength: number },
): Schema<Readonly<Record<string, string>>> {
  return {
    type: "object",
    description,
    maxProperties,
    additionalProperties: { type: "string", maxLength },
  };
}

type StringRules<T> = { readonly enum?: readonly T[] } & Pick<Schema, "pattern" | "minLength" | "maxLength">;

export const string = <T extends string = string>(
  description: string,
  rules: StringRules<T> = {},
): Schema<T> => ({ type: "string", description, ...rules });

/** A string of 1 to `maxLength` characters. */
export const text = <T extends string = string>(
  description: string,
  maxLength: number,
  rules: StringRules<T> = {},
): Schema<T> => string(description, { minLength: 1, maxLength, ...rules });

/** One of these strings. */
export const oneOf = <const T extends string>(description: string, values: readonly T[]): Schema<T> =>
  string(description, { enum: values });

export const flag = (description: string, defaultValue?: boolean): Schema<boolean> => ({
  type: "boolean",
  description,
  ...(defaultValue === undefined ? {} : { default: defaultValue }),
});

/** A whole number from 0. */
export const count = (description: string): Schema<number> => ({
  type: "integer",
  format: "int64",
  minimum: 0,
  description,
});

/** Seconds of a day: the longest time limit of a request. */
export const DAY_SECONDS = 86_400;
/** Seconds of 30 days: the longest interval of a policy. */
export const MONTH_SECONDS = 2_592_000;

/** A whole number of 32 bits from `minimum` to `maximum`. */
export const integer = (
  description: string,
  minimum: number,
  maximum: number,
  defaultValue?: number,
): Schema<number> => ({
  type: "integer",
  format: "int32",
  minimum,
  maximum,
  description,
  ...(defaultValue === undefined ? {} : { default: defaultValue }),
});

/** A time in the format of RFC 3339. */
export const time = (description: string): Schema<string> => ({
  type: "string",
  format: "date-time",
  description,
});

/** What the patterns of fields allow, in words for people. */
const forms = new Map<string, string>();

/** Names what a pattern allows. @returns the pattern */
export function pattern(regex: string, allowed: string): string {
  forms.set(regex, allowed);
  return regex;
}

/** Returns what the pattern of a field allows, in words; the pattern if it has none. */
export function formOf(regex: string): string {
  return forms.get(regex) ?? regex;
}

const LABEL = "[a-z0-9]([a-z0-9-]*[a-z0-9])?";
const DNS_LABEL = pattern(
  `^${LABEL}$`,
  "lower-case letters, digits and -, with a letter or digit at both ends",
);
const DNS_SUBDOMAIN = pattern(
  `^${LABEL}(\\.${LABEL})*$`,
  "lower-case letters, digits, - and ., with a letter or digit at both ends of each part",
);

/** Name of a container or namespace: a DNS label. */
export const labelName = (description: string) => text(description, 63, { pattern: DNS_LABEL });

/** Name of a pod: a DNS subdomain. */
export const podName = (description: string) => text(description, 253, { pattern: DNS_SUBDOMAIN });

/** UID of an object. Not every UID is a UUID (mirror pods), hence no pattern. */
export const uid = (description: string) => text(description, 128);

/** Returns rules that make fields immutable. An optional field can neither be added nor removed later. */
export function immutable(kind: string, fields: readonly string[]): ValidationRule[] {
  return fields.map((field) => ({
    rule: `has(self.${field}) == has(oldSelf.${field}) && (!has(self.${field}) || self.${field} == oldSelf.${field})`,
    message: `${field} is immutable: create another ${kind} instead`,
  }));
}
