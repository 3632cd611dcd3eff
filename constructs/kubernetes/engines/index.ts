/** Kubernetes objects of the engines. */
import type { EngineKind, ResolvedEngine } from "../../../config/engines";
import { CEDANA_CONSTRUCTS } from "./cedana/engine";
import { CRIU_CONSTRUCTS } from "./criu/engine";
import type { EngineConstructs } from "./engine";

type EngineOf<K extends EngineKind> = Extract<ResolvedEngine, { readonly kind: K }>;

const TABLE: { readonly [K in EngineKind]: EngineConstructs<EngineOf<K>> } = {
  cedana: CEDANA_CONSTRUCTS,
  criu: CRIU_CONSTRUCTS,
};

/** Returns the constructs of an engine. */
export function constructsOf({ kind }: ResolvedEngine): EngineConstructs<ResolvedEngine> {
  return TABLE[kind];
}

export type { AgentConstruct, EngineConstruct, EngineConstructs, EngineInput } from "./engine";
