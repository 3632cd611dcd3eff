import { platformJsonSchema } from "./json-schema";

interface Schema {
  readonly type?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: Schema | boolean;
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
}

/** Properties of the kubelet's own configuration are Kubernetes' business: their members are not listed. */
const CLOSED = /\.kubelet\.config$/;

/** The properties of cedana.yaml as Markdown tables, one an area. */
export function propertyTables(): string {
  const { properties = {} } = platformJsonSchema() as Schema;
  return Object.entries(properties)
    .map(([area, schema]) => {
      const rows = table(schema, area);
      const head = "| property | type | default | |\n| --- | --- | --- | --- |";
      return `### ${area}\n\n${cell(schema.description)}\n${rows.length > 0 ? `\n${head}\n${rows.join("\n")}\n` : ""}`;
    })
    .join("\n");
}

/** Returns the rows of a table of properties: name, type, default and description. */
export function table(schema: Schema, path: string): string[] {
  if (CLOSED.test(path)) return [];
  const rows = Object.entries(schema.properties ?? {}).flatMap(([name, property]) => {
    const at = `${path}.${name}`;
    const required = schema.required?.includes(name) ? "required" : defaultOf(property);
    return [
      `| \`${at}\` | ${typeOf(property)} | ${required} | ${cell(property.description)} |`,
      ...table(property, at),
    ];
  });
  const forms = (schema.anyOf ?? []).flatMap((form) => table(form, path));
  const items = schema.items ? table(schema.items, `${path}[]`) : [];
  return [...new Set([...rows, ...forms, ...items])];
}

function defaultOf({ default: value }: Schema): string {
  if (value === undefined || JSON.stringify(value) === "{}") return "";
  return `\`${cell(JSON.stringify(value))}\``;
}

function typeOf(schema: Schema): string {
  if (schema.const !== undefined) return `\`${JSON.stringify(schema.const)}\``;
  if (schema.enum) return schema.enum.map((value) => `\`${String(value)}\``).join(", ");
  if (schema.anyOf) return [...new Set(schema.anyOf.map(typeOf))].join(" or ");
  if (schema.items) return `list of ${typeOf(schema.items)}`;
  if (schema.type === "object") return schema.properties ? "mapping" : "mapping of names";
  return schema.type ?? "any";
}

function cell(text = ""): string {
  return text.replaceAll("|", "\\|").replaceAll("<", "&lt;").replaceAll("\n", " ");
}
