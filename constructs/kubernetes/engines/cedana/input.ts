import type { Construct } from "constructs";
import { cedanaNames, nativeVersion, type ResolvedCedanaEngine } from "../../../../config/engines/cedana";
import { inputOfKind, type EngineProps } from "../../input";
import type { CheckpointGrants, EngineInput } from "../engine";
import { CEDANA, CHECKPOINT } from "../../../../api";

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

/** Returns the permissions to reconcile `Cedana` objects. */
export function checkpointGrants(): CheckpointGrants {
  const about = { apiGroups: [CEDANA.group] };
  return {
    rules: [
      { ...about, resources: [CEDANA.plural], verbs: ["get", "list", "watch", "patch"] },
      { ...about, resources: [`${CEDANA.plural}/status`], verbs: ["patch"] },
      // For Cedana objects.
      { apiGroups: [CHECKPOINT.group], resources: [CHECKPOINT.plural], verbs: ["create"] },
    ],
    elsewhere: [],
  };
}
