import type { CrdSchema } from "./definition";

/** Fields that every object has, whatever the schema. */
const ROOT_FIELDS = new Set(["apiVersion", "kind", "metadata"]);

/**
 * Returns the paths of the fields of an object that a schema does not have. The API server would drop them at the next write.
 * A path ends at the first such field.
 */
export function lostFields(schema: CrdSchema | undefined, object: object): readonly string[] {
  const fields = Object.entries(object).filter(([name]) => !ROOT_FIELDS.has(name));
  return lostIn(schema, Object.fromEntries(fields), "");
}

function lostIn(schema: CrdSchema | undefined, value: unknown, path: string): readonly string[] {
  if (schema === undefined) return [path];
  if (Array.isArray(value)) {
    return value.flatMap((item, index) => lostIn(schema.items, item, `${path}[${index}]`));
  }
  if (typeof value !== "object" || value === null) return [];
  const { properties = {}, additionalProperties } = schema;
  return Object.entries(value).flatMap(([name, item]) => {
    const at = `${path}.${name}`;
    if (Object.hasOwn(properties, name)) return lostIn(properties[name], item, at);
    if (typeof additionalProperties === "object") return lostIn(additionalProperties, item, at);
    if (additionalProperties === true || schema["x-kubernetes-preserve-unknown-fields"] === true) return [];
    if (schema["x-kubernetes-embedded-resource"] === true && ROOT_FIELDS.has(name)) return [];
    return [at];
  });
}
