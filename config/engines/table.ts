import type { GenericSchema, InferOutput } from "../schema/valibot";
import type { EngineKind } from "../engine-kinds";
import { CEDANA } from "./cedana/definition";
import { CRIU } from "./criu/definition";
import type { EngineCapabilities, EngineDefinition } from "./engine";
import type { ResolvedInstall } from "../install";

/** Lists all engines. */
export const ENGINES = { criu: CRIU, cedana: CEDANA } as const satisfies {
  readonly [K in EngineKind]: EngineDefinition<GenericSchema, GenericSchema>;
};

export type ResolvedEngine = InferOutput<(typeof ENGINES)[EngineKind]["schema"]>;

type Settings = (typeof ENGINES)[EngineKind]["controller"]["schema"];

/** Returns the definition of an engine. */
export function definitionOf({
  kind,
}: {
  readonly kind: EngineKind;
}): EngineDefinition<GenericSchema<unknown, ResolvedEngine>, Settings> {
  return ENGINES[kind];
}

/** Returns the capabilities of a configured engine. */
export function capabilitiesOf(engine: ResolvedEngine, install: ResolvedInstall): EngineCapabilities {
  return definitionOf(engine).capabilities(engine, install);
}
