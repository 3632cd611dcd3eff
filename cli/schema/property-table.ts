import { platformSchema } from "../../config/platform";
import { inputSchema, type InputSchema } from "./input-schema";
import { ENGINES, KINDS, kindsOf, type Column, type Kind, type Schema } from "../../api";

/** Paths whose members Kubernetes documents: the kubelet's own configuration. */
const DOCUMENTED_ELSEWHERE = /\.kubelet\.config$/;

/** A heading and the rows below it. */
interface Table {
  readonly heading: string;
  readonly rows: readonly string[];
}

/** Returns the properties of cedana.yaml as Markdown: a table for each area, and one for each exclusive alternative. */
export function propertyTables(): string {
  const { properties = {} } = inputSchema(platformSchema);
  return Object.entries(properties)
    .map(([area, schema]) => {
      const [main, ...alternatives] = tables(area, schema, area);
      const intro = [cell(schema.description), choice(area, schema)].filter((text) => text !== "").join(" ");
      return [
        `### ${area}\n\n${intro}\n`,
        ...(main && main.rows.length > 0 ? [`\n${markdown(main.rows)}`] : []),
        ...alternatives.map(({ heading, rows }) => `\n#### ${heading}\n\n${markdown(rows)}`),
      ].join("");
    })
    .join("\n");
}

function markdown(rows: readonly string[]): string {
  return `| property | type | default | |\n| --- | --- | --- | --- |\n${rows.join("\n")}\n`;
}

/** Returns the table of a mapping, then those of the exclusive alternatives in it, in the order of their properties. */
function tables(heading: string, schema: InputSchema, path: string): Table[] {
  const rows: string[] = [];
  const alternatives: Table[] = [];
  const visit = (part: InputSchema, at: string): void => {
    if (DOCUMENTED_ELSEWHERE.test(at)) return;
    for (const [name, property] of Object.entries(part.properties ?? {})) {
      const isRequired = part.required?.includes(name) ?? false;
      rows.push(row(`${at}.${name}`, property, isRequired));
      visit(property, `${at}.${name}`);
    }
    if (part.items) visit(part.items, `${at}[]`);
    if (typeof part.additionalProperties === "object") visit(part.additionalProperties, `${at}.<name>`);
    const forms = formsOf(part);
    if (forms.length === 1) for (const form of forms) visit(form, at);
    else for (const form of forms) alternatives.push(...tables(headingOf(at, form), form, at));
  };
  visit(schema, path);
  return [{ heading, rows }, ...alternatives];
}

/** Returns the rows of the table of a mapping without exclusive alternatives. */
export function table(schema: InputSchema, path: string): readonly string[] {
  return tables(path, schema, path)[0]?.rows ?? [];
}

function row(path: string, schema: InputSchema, isRequired: boolean): string {
  const value = isRequired ? "required" : defaultOf(schema);
  const text = [cell(schema.description), choice(path, schema)].filter((part) => part !== "").join(" ");
  return `| \`${path}\` | ${typeOf(schema)} | ${value} | ${text} |`;
}

/** Returns the mappings among the alternatives of a union. */
function formsOf({ anyOf = [] }: InputSchema): InputSchema[] {
  return anyOf.filter(({ properties }) => properties !== undefined);
}

function headingOf(path: string, form: InputSchema): string {
  return `${path}: ${form.title}`;
}

/** Returns a sentence with links to the tables of the alternatives, where there are several. */
function choice(path: string, schema: InputSchema): string {
  const at = schema.items ? `${path}[]` : path;
  const forms = formsOf(schema.items ?? schema);
  if (forms.length < 2) return "";
  const links = forms.map((form) => `[${form.title}](#${anchor(headingOf(at, form))})`);
  return `${schema.items ? "Each is" : "Either"} ${links.join(" or ")}.`;
}

/** Returns the anchor that GitHub gives a heading. */
function anchor(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^\w\- ]/g, "")
    .replaceAll(" ", "-");
}

function defaultOf({ default: value, derived }: InputSchema): string {
  return value === undefined ? cell(derived) : `\`${cell(JSON.stringify(value))}\``;
}

function typeOf(schema: InputSchema): string {
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

/** Returns the page with the generated section of each kind: the text between its two comments. Appends missing ones. */
export function withKindSections(page: string): string {
  return KINDS.reduce((text, kind) => {
    const start = `<!-- kind: ${kind.kind} -->`;
    const end = "<!-- end of kind -->";
    const section = `${start}\n\n${kindSection(kind)}\n${end}`;
    const [before = "", rest] = text.split(start);
    return rest === undefined
      ? `${text}\n## ${kind.kind}\n\n${section}\n`
      : `${before}${section}${rest.slice(rest.indexOf(end) + end.length)}`;
  }, page);
}

/** Describes a kind in Markdown: names, fields, rules and columns. */
function kindSection(kind: Kind): string {
  const { crdName, version, shortNames = [], scope, schema, columns } = kind;
  const engines = ENGINES.filter((engine) => kindsOf(engine, true).includes(kind));
  const { spec, record, status } = schema.properties ?? {};
  const facts = [
    `\`${crdName}\``,
    `version \`${version}\``,
    scope === "Namespaced" ? "namespaced" : "cluster-scoped",
    ...shortNames.map((name) => `short name \`${name}\``),
    ...(engines.length < ENGINES.length
      ? [`only with the engine ${engines.map((engine) => `\`${engine}\``).join(" or ")}`]
      : []),
  ];
  const rules = spec?.["x-kubernetes-validations"] ?? [];
  return [
    `${facts.join(", ")}. ${schema.description}\n`,
    ...fieldTable("spec", spec),
    ...fieldTable("record", record),
    ...fieldTable("status", status),
    ...(rules.length > 0 ? ["Rules:\n", ...rules.map(({ message }) => `- ${message}`), ""] : []),
    `Columns of \`kubectl get\`: ${columns.map(columnName).join(", ")}.`,
  ].join("\n");
}

function fieldTable(name: string, schema: Schema | undefined): string[] {
  if (!schema) return [];
  const head = ["| field | type | default | |", "| --- | --- | --- | --- |"];
  return [`\`${name}\`: ${schema.description}\n`, ...head, ...table(schema, name), ""];
}

function columnName({ name, priority }: Column): string {
  return priority === 1 ? `${name} (with \`-o wide\`)` : name;
}
