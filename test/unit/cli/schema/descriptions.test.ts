import { join } from "node:path";
import type { GenericSchema } from "valibot";
import { inputSchema, type InputSchema } from "../../../../cli/schema/input-schema";
import { agentSettingsSchema } from "../../../../config/programs/agent";
import { controllerSettingsSchema } from "../../../../config/programs/controller";
import { inputs } from "../../../support/inputs";
import { ROOT } from "../../../support/sources";

interface Property {
  readonly path: string;
  readonly schema: InputSchema;
  readonly isRequired: boolean;
}

function schemaOf(module: string, name: string): GenericSchema {
  return (require(join(ROOT, module)) as Record<string, GenericSchema>)[name] as GenericSchema;
}

const ROOTS: readonly (readonly [name: string, schema: InputSchema])[] = [
  ...inputs().map(({ name, schema, module }) => [name, inputSchema(schemaOf(module, schema))] as const),
  ["agent", inputSchema(agentSettingsSchema)],
  ["controller", inputSchema(controllerSettingsSchema)],
];

function visit(schema: InputSchema, path: string, each: (schema: InputSchema, path: string) => void): void {
  each(schema, path);
  const { additionalProperties, anyOf = [], items, oneOf = [], properties = {} } = schema;
  for (const [name, property] of Object.entries(properties)) visit(property, `${path}.${name}`, each);
  for (const form of [...anyOf, ...oneOf]) visit(form, path, each);
  if (items) visit(items, `${path}[]`, each);
  if (typeof additionalProperties === "object") visit(additionalProperties, `${path}.<name>`, each);
}

const properties: Property[] = [];
const unions: { readonly path: string; readonly forms: readonly InputSchema[] }[] = [];
for (const [root, schema] of ROOTS) {
  visit(schema, root, (part, path) => {
    for (const [name, property] of Object.entries(part.properties ?? {})) {
      const isRequired = part.required?.includes(name) ?? false;
      properties.push({ path: `${path}.${name}`, schema: property, isRequired });
    }
    const forms = (part.anyOf ?? []).filter((form) => form.properties !== undefined);
    if (forms.length > 1) unions.push({ path, forms });
  });
}
const paths = (found: readonly { readonly path: string }[]) => found.map(({ path }) => path);

test("finds the inputs", () => {
  expect(ROOTS.map(([name]) => name)).toEqual(
    expect.arrayContaining(["PlatformSpec", "ClusterSpec", "InstallSpec", "KubeletConfig", "agent"]),
  );
  expect(properties.length).toBeGreaterThan(500);
});

test("every property has a description: a sentence that begins with a capital and ends with a full stop", () => {
  // Names of fields and programs stay as they are: cgroup, containerd, nodeAffinity, oom_score_adj.
  const sentence =
    /^([A-Z]|(cgroup|containerd|nodeAffinity|podAffinity|podAntiAffinity|oom_score_adj)\b).*\.$/s;
  expect(paths(properties.filter(({ schema }) => !sentence.test(schema.description ?? "")))).toEqual([]);
});

test("an optional property has a default, or a description of what the default is derived from", () => {
  const wrong = properties.filter(
    ({ isRequired, schema }) =>
      Number(schema.default !== undefined) + Number(schema.derived !== undefined) !== (isRequired ? 0 : 1),
  );
  expect(paths(wrong)).toEqual([]);
});

test("no description repeats the schema: a default, or that a property is required", () => {
  const repeats = /\bdefaults?:|\bdefaults? to\b|\bleft out\b|\bif omitted\b|\brequired\.$/i;
  expect(paths(properties.filter(({ schema }) => repeats.test(schema.description ?? "")))).toEqual([]);
});

test("a derived default is a phrase without a full stop, which completes a sentence", () => {
  const wrong = properties.filter(({ schema }) => /\.$|^default\b/i.test(schema.derived ?? ""));
  expect(paths(wrong)).toEqual([]);
});

test("each of several alternatives has a separate title", () => {
  expect(unions.length).toBeGreaterThan(5);
  const wrong = unions.filter(({ forms }) => {
    const titles = forms.map(({ title }) => title);
    return titles.includes(undefined) || new Set(titles).size < titles.length;
  });
  expect(paths(wrong)).toEqual([]);
});
