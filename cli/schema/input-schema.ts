import { toJsonSchema, toJsonSchemaDefs, type ConversionConfig } from "@valibot/to-json-schema";
import type { GenericSchema } from "valibot";
import { platformSchema } from "../../config/platform";

type Json = Readonly<Record<string, unknown>>;

/** Returns the JSON Schema of cedana.yaml for editors. Rules over several properties are checked by the reader only. */
export function platformJsonSchema(): Json {
  return { ...published(inputSchema(platformSchema)), title: "cedana.yaml" };
}

/** Returns the schema in the keywords of JSON Schema alone. */
function published({ derived, allowed: _allowed, ...schema }: InputSchema): Json {
  const { additionalProperties: values, anyOf, description, items, properties } = schema;
  return {
    ...schema,
    ...(derived === undefined ? {} : { description: `${description} Default: ${derived}.` }),
    ...(properties ? { properties: mapValues(properties, published) } : {}),
    ...(items ? { items: published(items) } : {}),
    ...(anyOf ? { anyOf: anyOf.map(published) } : {}),
    ...(typeof values === "object" ? { additionalProperties: published(values) } : {}),
  };
}

function mapValues<T, R>(record: Readonly<Record<string, T>>, map: (value: T) => R): Record<string, R> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, map(value)]));
}

/** JSON Schema (draft 7) of an input, and two keywords of this project that its documentation is generated from. */
export interface InputSchema {
  readonly $ref?: string;
  readonly title?: string;
  readonly description?: string;
  readonly type?: string;
  readonly default?: unknown;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, InputSchema>>;
  readonly additionalProperties?: InputSchema | boolean;
  readonly items?: InputSchema;
  readonly anyOf?: readonly InputSchema[];
  readonly oneOf?: readonly InputSchema[];
  /** Origin of a default that is not a fixed value. */
  readonly derived?: string;
  /** Description of the accepted values. */
  readonly allowed?: string;
}

const CONFIG: Omit<ConversionConfig, "definitions"> = {
  typeMode: "input",
  errorMode: "ignore",
  overrideAction: ({ valibotAction, jsonSchema }) => {
    const { requirement } = valibotAction as { requirement?: { allowed?: string; jsonSchema?: Json } };
    if (valibotAction.type !== "raw_check") return undefined;
    return { ...jsonSchema, ...requirement?.jsonSchema, allowed: requirement?.allowed } as typeof jsonSchema;
  },
  overrideSchema: ({ valibotSchema, jsonSchema }) => {
    const { type, key } = valibotSchema as unknown as { type: string; key?: { pipe?: readonly unknown[] } };
    if (type !== "record") return undefined;
    const pattern = patternOf(key);
    return pattern === undefined ? jsonSchema : { ...jsonSchema, propertyNames: { pattern } };
  },
};

/** Returns the schemas by name. Where one is part of another, it is a `$ref` to `#/$defs/<name>`. */
export function inputSchemas(
  schemas: Readonly<Record<string, GenericSchema>>,
): Readonly<Record<string, InputSchema>> {
  return toJsonSchemaDefs(schemas, CONFIG) as Record<string, InputSchema>;
}

/** Returns one schema, with its parts in place. */
export function inputSchema(schema: GenericSchema): InputSchema {
  return toJsonSchema(schema, CONFIG) as InputSchema;
}

/** Returns the pattern of a rule in a pipe, if there is one. */
function patternOf(schema: { pipe?: readonly unknown[] } | undefined): string | undefined {
  for (const item of (schema?.pipe ?? []) as { requirement?: { jsonSchema?: Json }; pipe?: unknown[] }[]) {
    const pattern =
      (item.requirement?.jsonSchema?.["pattern"] as string | undefined) ??
      (item.pipe ? patternOf(item) : undefined);
    if (pattern !== undefined) return pattern;
  }
  return undefined;
}
