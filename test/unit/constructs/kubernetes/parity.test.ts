import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseAllDocuments } from "yaml";
import { engineSchema, installSchema } from "../../../../config";
import { ROOT } from "../../../support/sources";
import { differences } from "./difference";
import { synth, type KubernetesObject } from "./support";

const CONTRACT = join(ROOT, "test/golden/kubernetes/chart-contract");

const theirs = readdirSync(CONTRACT)
  .filter((name) => name.endsWith(".yaml"))
  .flatMap((name) =>
    parseAllDocuments(readFileSync(join(CONTRACT, name), "utf8")).map(
      (document) => document.toJS() as KubernetesObject,
    ),
  );
const ours = synth(
  { kueue: { localQueues: [{ namespace: "default" }] } },
  { dynamoWatcher: { namespaces: ["default"] } },
);

/** A row of the first table of docs/parity.md. Code marks list the differences; `*` matches any text. */
interface Row {
  readonly id: string;
  readonly patterns: readonly RegExp[];
  readonly cells: readonly string[];
}

const page = readFileSync(join(ROOT, "docs/parity.md"), "utf8");
const rows: Row[] = [...page.matchAll(/^\| (P\d+) \|(.*)\|$/gm)].map(([, id = "", rest = ""]) => {
  const cells = rest.split("|").map((cell) => cell.trim());
  const patterns = [...(cells[0] ?? "").matchAll(/`([^`]+)`/g)].map(([, glob = ""]) => toRegExp(glob));
  return { id, patterns, cells };
});

function toRegExp(glob: string): RegExp {
  return new RegExp(`^${glob.replaceAll(/[.+?^${}()|[\]\\]/g, "\\$&").replaceAll("*", ".*")}$`);
}

const found = differences(theirs, ours);

test("lists every difference from the chart in a row", () => {
  const unexplained = [...found].filter(
    ([difference]) => !rows.some(({ patterns }) => patterns.some((pattern) => pattern.test(difference))),
  );
  expect(unexplained.map(([difference, how]) => `${difference}  ${how}`)).toEqual([]);
});

test("matches a difference with every pattern of every row", () => {
  const idle = rows.flatMap(({ id, patterns }) =>
    patterns
      .filter((pattern) => ![...found.keys()].some((difference) => pattern.test(difference)))
      .map((pattern) => `${id} ${pattern.source}`),
  );
  expect(idle).toEqual([]);
});

test("lists no difference in two rows", () => {
  const twice = [...found.keys()].flatMap((difference) => {
    const ids = rows
      .filter(({ patterns }) => patterns.some((pattern) => pattern.test(difference)))
      .map(({ id }) => id);
    return ids.length > 1 ? [`${difference}  ${ids.join()}`] : [];
  });
  expect(twice).toEqual([]);
});

test("fills all columns of every row", () => {
  expect(rows.length).toBeGreaterThan(20);
  expect(
    rows.filter(({ cells, patterns }) => patterns.length === 0 || cells.length !== 4 || cells.includes("")),
  ).toEqual([]);
  expect(new Set(rows.map(({ id }) => id)).size).toBe(rows.length);
});

interface AnySchema {
  readonly wrapped?: AnySchema;
  readonly pipe?: readonly AnySchema[];
  readonly options?: readonly AnySchema[];
  readonly entries?: Readonly<Record<string, AnySchema>>;
}

const schemas = { engine: engineSchema, install: installSchema } as unknown as Record<
  "engine" | "install",
  AnySchema
>;

/** Returns the schema of a property within defaults, descriptions and alternatives. */
function property(schema: AnySchema | undefined, [name, ...rest]: readonly string[]): AnySchema | undefined {
  if (schema === undefined || name === undefined) return schema;
  const entry = entriesOf(schema)[name];
  return entry === undefined ? undefined : property(entry, rest);
}

function entriesOf({ entries, options = [], pipe, wrapped }: AnySchema): Record<string, AnySchema> {
  if (pipe?.[0] !== undefined && pipe[0].entries === undefined) return entriesOf(pipe[0]);
  if (wrapped !== undefined) return entriesOf(wrapped);
  return entries ?? Object.assign({}, ...options.map(entriesOf));
}

const values = [...page.matchAll(/^\| `([\w.=]+)` \| `((?:engine|install)\.[\w.]+)` \|$/gm)].map(
  ([, chart = "", ours = ""]) => [chart, ours] as const,
);

test.each(values)("maps the chart's value %s to %s", (_, ours) => {
  const [area, ...path] = ours.split(".");
  expect(property(schemas[area === "engine" ? "engine" : "install"], path)).toBeDefined();
});

test("maps all 29 keys of the chart's ConfigMap", () => {
  const contract = theirs.find(({ kind }) => kind === "ConfigMap") as unknown as { data: object };
  expect(Object.keys(contract.data)).toHaveLength(29);
  expect(values.filter(([chart]) => /^(config|hostConfig)\./.test(chart)).length).toBeGreaterThanOrEqual(29);
});

test("finds no schema for a property that does not exist", () => {
  expect(property(schemas.engine, ["manager", "metrics", "serviceTyp"])).toBeUndefined();
});
