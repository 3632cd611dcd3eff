import { toJsonSchema } from "@valibot/to-json-schema";
import { platformSchema } from "../../config/platform";

type Json = Readonly<Record<string, unknown>>;

/** JSON Schema (draft 7) of cedana.yaml, for editors. What depends on several properties only the reader checks. */
export function platformJsonSchema(): Json {
  const schema = toJsonSchema(platformSchema, {
    typeMode: "input",
    errorMode: "ignore",
    overrideAction: ({ valibotAction, jsonSchema }) => {
      const { requirement } = valibotAction as { requirement?: { jsonSchema?: Json } };
      return valibotAction.type === "raw_check" ? { ...jsonSchema, ...requirement?.jsonSchema } : undefined;
    },
    overrideSchema: ({ valibotSchema, jsonSchema }) => {
      const { type, key } = valibotSchema as unknown as { type: string; key?: { pipe?: readonly unknown[] } };
      if (type !== "record") return undefined;
      const pattern = patternOf(key);
      return pattern === undefined ? jsonSchema : { ...jsonSchema, propertyNames: { pattern } };
    },
  });
  return { ...schema, title: "cedana.yaml" };
}

/** Pattern of a rule in a pipe, where it has one. */
function patternOf(schema: { pipe?: readonly unknown[] } | undefined): string | undefined {
  for (const item of (schema?.pipe ?? []) as { requirement?: { jsonSchema?: Json }; pipe?: unknown[] }[]) {
    const pattern =
      (item.requirement?.jsonSchema?.["pattern"] as string | undefined) ??
      (item.pipe ? patternOf(item) : undefined);
    if (pattern !== undefined) return pattern;
  }
  return undefined;
}
