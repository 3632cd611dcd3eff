import { Testing, type TerraformStack } from "cdktf";

type Attributes = Record<string, unknown>;

/** A synthesized stack as Terraform reads it. */
export interface TerraformJson {
  readonly resource?: Record<string, Record<string, Attributes>>;
  readonly data?: Record<string, Record<string, Attributes>>;
  readonly output?: Record<string, { readonly value: unknown }>;
  readonly provider?: Record<string, Attributes[]>;
  readonly terraform?: { readonly backend?: Record<string, Attributes> };
}

export function synthStack(stack: TerraformStack): TerraformJson {
  return JSON.parse(Testing.synth(stack)) as TerraformJson;
}

/** All resources of a type, without the comments that cdktf adds. */
export function resources(json: TerraformJson, type: string): Attributes[] {
  return Object.values(json.resource?.[type] ?? {}).map(({ "//": _comment, ...attributes }) => attributes);
}

/** The only resource of a type. */
export function only(json: TerraformJson, type: string): Attributes {
  const all = resources(json, type);
  if (all.length !== 1) throw new Error(`${all.length} resources of type ${type}, not one`);
  return all[0]!;
}

/** Addresses of all resources and data sources. They are contract: a changed one replaces what it stood for. */
export function addresses(json: TerraformJson): string[] {
  const within = (prefix: string, types: Record<string, Record<string, Attributes>> = {}) =>
    Object.entries(types).flatMap(([type, byName]) =>
      Object.keys(byName).map((name) => `${prefix}${type}.${name}`),
    );
  return [...within("", json.resource), ...within("data.", json.data)].toSorted();
}
