import * as v from "valibot";
import type { Rule } from "../schema";
import { cedanaEngineSchema, type CedanaEngineSpec, type ResolvedCedanaEngine } from "./cedana/schema";
import { kubeletEngineSchema, type KubeletEngineSpec, type ResolvedKubeletEngine } from "./kubelet/schema";

export const ENGINE_KINDS = ["kubelet", "cedana"] as const;
export type EngineKind = (typeof ENGINE_KINDS)[number];

const union = v.union([kubeletEngineSchema, cedanaEngineSchema]);
const anyKind = v.looseObject({ kind: v.picklist(ENGINE_KINDS) });

/** What checkpoints and restores, told by `kind`. Problems are those of that engine alone. */
export const engineSchema: typeof union = {
  ...union,
  "~run"(dataset, config) {
    const input = dataset.value;
    if (!isMapping(input)) return kubeletEngineSchema["~run"](dataset, config);
    const { kind } = input;
    if (kind === "cedana") return cedanaEngineSchema["~run"](dataset, config);
    if (kind === "kubelet") return kubeletEngineSchema["~run"](dataset, config);
    if (kind !== undefined) return anyKind["~run"](dataset, config) as never;
    const meant = cedanaKeys(input);
    if (meant.length === 0) return kubeletEngineSchema["~run"](dataset, config);
    const result = cedanaEngineSchema["~run"]({ ...dataset, value: { ...input, kind: "cedana" } }, config);
    v._addIssue({ ...union, type: "raw_check", requirement: kindLeftOut(meant) }, "type", result, config, {
      path: [{ type: "object", origin: "value", input, key: "kind", value: undefined }],
    });
    return result;
  },
};

function isMapping(input: unknown): input is Record<string, unknown> {
  return typeof input === "object" && input !== null && !Array.isArray(input);
}

/** Properties of the engine `cedana`, of an input that has none that only `kubelet` has. */
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
