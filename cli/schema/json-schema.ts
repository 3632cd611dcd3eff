import { platformSchema } from "../../config/platform";
import { inputSchema, type InputSchema } from "./input-schema";

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
