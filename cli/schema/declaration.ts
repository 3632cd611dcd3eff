/** Generates TypeScript declarations of inputs. Their documentation comments come from the schema. */
import type { InputSchema } from "./input-schema";

export interface Names {
  /** The named schemas. */
  readonly schemas: Readonly<Record<string, InputSchema>>;
  /** Returns the type of a name, as the declaration file writes it. */
  readonly reference: (name: string) => string;
}

/** Returns the interface of a mapping. */
export function interfaceOf(name: string, schema: InputSchema, names: Names): string {
  return `export interface ${name} ${mapping(schema, names, "")}`;
}

function mapping({ properties = {}, required = [] }: InputSchema, names: Names, indent: string): string {
  const inner = `${indent}    `;
  const members = Object.entries(properties).map(([key, property]) => {
    const type = typeOf(property, names, inner);
    const isRequired = required.includes(key);
    const name = /^\w+$/.test(key) ? key : JSON.stringify(key);
    const member = isRequired ? `${name}: ${type};` : `${name}?: ${optional(type)};`;
    return `${comment(property, names, isRequired, inner)}${inner}${member}\n`;
  });
  return `{\n${members.join("")}${indent}}`;
}

function optional(type: string): string {
  return type === "unknown" ? type : `${type} | undefined`;
}

function typeOf(schema: InputSchema, names: Names, indent: string): string {
  if (schema.$ref !== undefined) return names.reference(nameOf(schema.$ref));
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  if (schema.anyOf) return [...new Set(schema.anyOf.map((form) => typeOf(form, names, indent)))].join(" | ");
  if (schema.items) return listOf(typeOf(schema.items, names, indent));
  if (schema.properties) return mapping(schema, names, indent);
  if (typeof schema.additionalProperties === "object")
    return `Record<string, ${typeOf(schema.additionalProperties, names, indent)}>`;
  if (schema.type === "integer") return "number";
  return schema.type ?? "unknown";
}

function listOf(item: string): string {
  return item.includes("|") ? `(${item})[]` : `${item}[]`;
}

function nameOf(ref: string): string {
  return ref.replace("#/$defs/", "");
}

function comment(schema: InputSchema, names: Names, isRequired: boolean, indent: string): string {
  const lines = [
    schema.description,
    formsOf(schema, names),
    allowedOf(schema),
    isRequired ? undefined : defaultOf(schema),
  ].filter((line) => line !== undefined);
  if (lines.length === 0) return "";
  const text = asMarkdown(lines.join("\n\n")).replaceAll("*/", "*\\/");
  const body = text.split("\n").map((line) => `${indent} * ${line}`.trimEnd());
  return `${indent}/**\n${body.join("\n")}\n${indent} */\n`;
}

/** Formats placeholders such as `<host>` as code, because editors treat them as HTML. */
function asMarkdown(text: string): string {
  return text.replace(/[^\s`]*<[^\s`]*[^\s`.,;:]/g, "`$&`");
}

/** Describes the exclusive alternatives, which the type does not name. */
function formsOf({ anyOf, items }: InputSchema, { schemas }: Names): string | undefined {
  const forms = anyOf ?? items?.anyOf ?? [];
  const titles = forms.map((form) => (form.$ref === undefined ? form : schemas[nameOf(form.$ref)])?.title);
  const named = titles.filter((title) => title !== undefined);
  return named.length > 1 ? `${items ? "Each is one" : "One"} of: ${named.join("; ")}.` : undefined;
}

function allowedOf({ allowed, items, maxItems, minItems }: InputSchema): string | undefined {
  const sentences = [
    allowed === undefined ? undefined : sentence(`Allowed: ${allowed}`),
    items?.allowed === undefined ? undefined : sentence(`Allowed for each: ${items.allowed}`),
    entriesOf(minItems, maxItems),
  ].filter((text) => text !== undefined);
  return sentences.length > 0 ? sentences.join(" ") : undefined;
}

function entriesOf(min: number | undefined, max: number | undefined): string | undefined {
  if (min === undefined && max === undefined) return undefined;
  if (max === undefined) return `Entries: at least ${min}.`;
  return min === undefined ? `Entries: at most ${max}.` : `Entries: ${min} to ${max}.`;
}

function sentence(text: string): string {
  return text.endsWith(".") ? text : `${text}.`;
}

/** Returns the tag as CDK libraries write it: a value, or a dash and what the value is derived from. */
function defaultOf({ default: value, derived }: InputSchema): string | undefined {
  if (value !== undefined) return `@default ${JSON.stringify(value)}`;
  return derived === undefined ? undefined : `@default - ${derived}`;
}
