import * as v from "../schema/valibot";
import { DEFAULT_ENGINE, ENGINE_KINDS, type EngineKind } from "../engine-kinds";
import { isMapping, type Rule } from "../schema";
import { ENGINES } from "./table";
import type { CedanaEngineSpec } from "./cedana/schema";
import type { CriuEngineSpec } from "./criu/schema";

type Schema = (typeof ENGINES)[EngineKind]["schema"];

const union: v.UnionSchema<Schema[], undefined> = v.union(ENGINE_KINDS.map((kind) => ENGINES[kind].schema));
const anyKind = v.looseObject({ kind: v.picklist(ENGINE_KINDS) });

/** Describes the engine of checkpoints and restores. Reports only the problems of the engine that `kind` selects. */
export const engineSchema: typeof union = {
  ...union,
  "~run"(dataset, config) {
    const input = isMapping(dataset.value) ? dataset.value : {};
    const { kind } = input;
    if (kind !== undefined && !isKind(kind)) return anyKind["~run"](dataset, config) as never;
    const assumed = engineKindOf(input);
    const { schema } = ENGINES[assumed];
    if (kind !== undefined || assumed === DEFAULT_ENGINE) return schema["~run"](dataset, config);
    const result = schema["~run"]({ ...dataset, value: { ...input, kind: assumed } }, config);
    const requirement = missingKind(assumed, ownKeys(assumed, input));
    v._addIssue({ ...union, type: "raw_check", requirement }, "type", result, config, {
      path: [{ type: "object", origin: "value", input, key: "kind", value: undefined }],
    });
    return result;
  },
};

/** Returns the kind of an engine, which may be invalid. If `kind` is missing, it is the engine with most of the other properties. */
export function engineKindOf(input: unknown): EngineKind {
  if (!isMapping(input)) return DEFAULT_ENGINE;
  const { kind } = input;
  if (kind !== undefined) return isKind(kind) ? kind : DEFAULT_ENGINE;
  const known = (one: EngineKind) =>
    Object.keys(input).filter((key) => enginesWith([key]).includes(one)).length;
  return ENGINE_KINDS.reduce<EngineKind>(
    (best, one) => (known(one) > known(best) ? one : best),
    DEFAULT_ENGINE,
  );
}

/** Returns the kinds of the engines with a property at the path. */
export function enginesWith(path: readonly PropertyKey[]): EngineKind[] {
  return ENGINE_KINDS.filter((kind) => hasProperty(ENGINES[kind].schema, path));
}

function isKind(kind: unknown): kind is EngineKind {
  return (ENGINE_KINDS as readonly unknown[]).includes(kind);
}

/** Returns the keys of the input that only this engine has. */
function ownKeys(kind: EngineKind, input: Readonly<Record<string, unknown>>): string[] {
  return Object.keys(input).filter((key) => enginesWith([key]).join() === kind);
}

/** Returns whether a schema has a property at the path. */
function hasProperty(schema: unknown, [key, ...rest]: readonly PropertyKey[]): boolean {
  if (key === undefined) return true;
  const { entries, options, wrapped } = schema as {
    readonly entries?: Readonly<Record<PropertyKey, unknown>>;
    readonly options?: readonly unknown[];
    readonly wrapped?: unknown;
  };
  if (wrapped !== undefined) return hasProperty(wrapped, [key, ...rest]);
  if (Array.isArray(options)) return options.some((option) => hasProperty(option, [key, ...rest]));
  return entries !== undefined && Object.hasOwn(entries, key) && hasProperty(entries[key], rest);
}

function missingKind(kind: EngineKind, keys: readonly string[]): Rule<unknown> {
  const some = keys.length > 3 ? [...keys.slice(0, 3), "..."] : keys;
  return {
    code: "missing",
    test: () => false,
    message: `is required: only the engine ${kind} has ${some.join(", ")}`,
    allowed: ENGINE_KINDS.join(", "),
    remedy: `add kind: ${kind}`,
    secret: true, // There is no value to print.
  };
}

/** Input of an engine. Its members are named interfaces, so that the declarations of the package document them. */
export type EngineSpec = CedanaEngineSpec | CriuEngineSpec;
