import * as v from "../schema/valibot";
import type { Rule } from "../schema";
import { cedanaEngineSchema, type CedanaEngineSpec, type ResolvedCedanaEngine } from "./cedana/schema";
import { DEFAULT_ENGINE, ENGINE_KINDS, type EngineKind } from "./kinds";
import { kubeletEngineSchema, type KubeletEngineSpec, type ResolvedKubeletEngine } from "./kubelet/schema";

const union = v.union([kubeletEngineSchema, cedanaEngineSchema]);
const anyKind = v.looseObject({ kind: v.picklist(ENGINE_KINDS) });

/** The engine that checkpoints and restores. Reports the problems of the engine that `kind` names only. */
export const engineSchema: typeof union = {
  ...union,
  "~run"(dataset, config) {
    const input = isMapping(dataset.value) ? dataset.value : {};
    const { kind } = input;
    if (kind !== undefined && !isKind(kind)) return anyKind["~run"](dataset, config) as never;
    if (engineKindOf(input) === "kubelet") return kubeletEngineSchema["~run"](dataset, config);
    if (kind !== undefined) return cedanaEngineSchema["~run"](dataset, config);
    const result = cedanaEngineSchema["~run"]({ ...dataset, value: { ...input, kind: "cedana" } }, config);
    const requirement = kindLeftOut(cedanaKeys(input));
    v._addIssue({ ...union, type: "raw_check", requirement }, "type", result, config, {
      path: [{ type: "object", origin: "value", input, key: "kind", value: undefined }],
    });
    return result;
  },
};

/** Returns the kind of an engine that may have problems: where `kind` is missing, that to which its properties belong. */
export function engineKindOf(input: unknown): EngineKind {
  if (!isMapping(input)) return DEFAULT_ENGINE;
  const { kind } = input;
  if (kind === undefined) return cedanaKeys(input).length > 0 ? "cedana" : DEFAULT_ENGINE;
  return isKind(kind) ? kind : DEFAULT_ENGINE;
}

function isKind(kind: unknown): kind is EngineKind {
  return (ENGINE_KINDS as readonly unknown[]).includes(kind);
}

function isMapping(input: unknown): input is Record<string, unknown> {
  return typeof input === "object" && input !== null && !Array.isArray(input);
}

/** Returns the properties that only the engine `cedana` has, of an input without any that only `kubelet` has. */
function cedanaKeys(input: Readonly<Record<string, unknown>>): string[] {
  const own = (schema: typeof kubeletEngineSchema | typeof cedanaEngineSchema, other: object) =>
    Object.keys(input).filter((key) => key in schema.entries && !(key in other));
  if (own(kubeletEngineSchema, cedanaEngineSchema.entries).length > 0) return [];
  return own(cedanaEngineSchema, kubeletEngineSchema.entries);
}

function kindLeftOut(keys: readonly string[]): Rule<unknown> {
  const some = keys.length > 3 ? [...keys.slice(0, 3), "..."] : keys;
  return {
    code: "missing",
    test: () => false,
    message: `is left out, which is the engine kubelet; but ${some.join(", ")} ${keys.length === 1 ? "is" : "are"} of the engine cedana, which was the default before`,
    allowed: ENGINE_KINDS.join(", "),
    remedy: "add kind: cedana",
    secret: true, // Nothing was given.
  };
}

export type EngineSpec = KubeletEngineSpec | CedanaEngineSpec;
export type ResolvedEngine = ResolvedKubeletEngine | ResolvedCedanaEngine;
