import type { Construct } from "constructs";
import { cedanaNames, nativeVersion, type ResolvedCedanaEngine } from "../../../../config/engines/cedana";
import { inputOfKind, type EngineProps } from "../../input";
import type { EngineInput } from "../engine";

export interface CedanaInput extends EngineInput<ResolvedCedanaEngine> {
  /** Version of the plugins that are built with the agent. */
  readonly native: string;
  /** Names of the objects that only this engine has. */
  readonly names: ReturnType<typeof cedanaNames>;
}

/** @throws InvalidInputError with all problems of engine and install, or if it is another engine */
export function cedanaInputOf(scope: Construct, props: EngineProps): CedanaInput {
  const { engine, install } = inputOfKind(scope, props, "cedana");
  return { engine, install, native: nativeVersion(engine) ?? "", names: cedanaNames(engine, install) };
}
