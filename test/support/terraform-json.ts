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

/** Returns all resources of a type, without the comments of cdktf. */
export function resources(json: TerraformJson, type: string): Attributes[] {
  return Object.values(json.resource?.[type] ?? {}).map(({ "//": _comment, ...attributes }) => attributes);
}

/** Returns the only resource of a type. @throws Error if there is not exactly one */
export function only(json: TerraformJson, type: string): Attributes {
  const all = resources(json, type);
  if (all.length !== 1) throw new Error(`${all.length} resources of type ${type}, not one`);
  return all[0]!;
}

/** Returns the addresses of all resources and data sources. They are stable: a changed address replaces its resource. */
export function addresses(json: TerraformJson): string[] {
  const within = (prefix: string, types: Record<string, Record<string, Attributes>> = {}) =>
    Object.entries(types).flatMap(([type, byName]) =>
      Object.keys(byName).map((name) => `${prefix}${type}.${name}`),
    );
  return [...within("", json.resource), ...within("data.", json.data)].toSorted();
}
