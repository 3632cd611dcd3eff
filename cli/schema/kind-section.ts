import { ENGINES, KINDS, kindsOf, type Column, type Kind, type Schema } from "../../api";
import { table } from "./property-table";

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
  const engines = ENGINES.filter((engine) => kindsOf(engine).includes(kind));
  const { spec, status } = schema.properties ?? {};
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
