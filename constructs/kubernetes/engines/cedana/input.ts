import type { Construct } from "constructs";
import type { ResolvedCedanaEngine } from "../../../../config/engines";
import { nativeVersion } from "../../../../config/install";
import { inputOfKind, type EngineProps } from "../../input";
import type { EngineInput } from "../engine";

export interface CedanaInput extends EngineInput<ResolvedCedanaEngine> {
  /** Version of the plugins that are built with the agent. */
  readonly native: string;
}

/** @throws InvalidInputError with all problems of engine and install, or if it is another engine */
export function cedanaInputOf(scope: Construct, props: EngineProps): CedanaInput {
  return withNative(inputOfKind(scope, props, "cedana"));
}

export function withNative({ engine, install }: EngineInput<ResolvedCedanaEngine>): CedanaInput {
  return { engine, install, native: nativeVersion(engine, install) ?? "" };
}
