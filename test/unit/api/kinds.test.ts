import { AUTOMATION_GROUP, KINDS, type Kind, type Schema } from "../../../api";

/** Returns a schema and all schemas below it with their paths. */
function walk(schema: Schema, path = ""): [string, Schema][] {
  return [
    [path, schema],
    ...(schema.items ? walk(schema.items, `${path}[]`) : []),
    ...Object.entries(schema.properties ?? {}).flatMap(([name, property]) =>
      walk(property, `${path}.${name}`),
    ),
  ];
}

const fields = (kind: Kind) => walk(kind.schema).filter(([path]) => /^\.(spec|status)/.test(path));
const ours = KINDS.filter(({ group }) => group === AUTOMATION_GROUP);

test.each(ours)(
  "every string and list of $kind is bounded, so that CEL rules stay within their cost",
  (kind) => {
    const unbounded = fields(kind).filter(
      ([, { type, maxLength, maxItems, format, enum: values }]) =>
        (type === "string" && (maxLength ?? format ?? values) === undefined) ||
        (type === "array" && maxItems === undefined),
    );
    expect(unbounded.map(([path]) => path)).toEqual([]);
  },
);

test.each(KINDS)("every field of $kind has a description for kubectl explain", (kind) => {
  const silent = fields(kind).filter(([path, { description }]) => !path.endsWith("[]") && !description);
  expect(silent.map(([path]) => path)).toEqual([]);
});

test.each(KINDS)("the printer columns of $kind show fields that exist, with their types", (kind) => {
  const types = new Map(walk(kind.schema).map(([path, schema]) => [path, schema]));
  const wrong = kind.columns.filter(({ jsonPath, type }) => {
    if (jsonPath === ".metadata.creationTimestamp") return type !== "date";
    const field = types.get(jsonPath.replace(/\[\?\(.*?\)\]/, "[]"));
    const expected = field?.format === "date-time" ? "date" : field?.type;
    return type !== expected;
  });
  expect(wrong).toEqual([]);
});

test.each(KINDS)("the rules and required fields of $kind name fields that exist", (kind) => {
  const unknown = walk(kind.schema).flatMap(([path, schema]) => {
    const known = Object.keys(schema.properties ?? {});
    const rules = (schema["x-kubernetes-validations"] ?? []).map(({ rule }) => rule).join(" ");
    const used = [...rules.matchAll(/\b(?:self|oldSelf)\.(\w+)/g)].map(([, name = ""]) => name);
    return [...(schema.required ?? []), ...used]
      .filter((name) => !known.includes(name))
      .map((name) => `${path}.${name}`);
  });
  expect(unknown).toEqual([]);
});
