/** Engines that take checkpoints: one interface, one directory for each engine. */
import type { CheckpointSettings } from "../../config/programs/controller";
import { createCedanaEngine } from "./cedana";
import { createCriuEngine } from "./criu";
import type { Engine, EngineFactory, EngineTools } from "./engine";

export { isArtifactIn } from "./artifact";
export {
  canRestore,
  checkpointsPods,
  EngineError,
  type CheckpointRequest,
  type CheckpointResult,
  type ContainerEngine,
  type Engine,
  type EngineArtifacts,
  type EngineContainer,
  type EngineTools,
  type PlanRestore,
  type PodCheckpointRequest,
  type PodCheckpointResult,
  type PodEngine,
  type RestoreEngine,
  type RestoreRequest,
} from "./engine";

type Name = CheckpointSettings["engine"];
type SettingsOf<N extends Name> = Extract<CheckpointSettings, { readonly engine: N }>;

const FACTORIES: { readonly [N in Name]: EngineFactory<SettingsOf<N>> } = {
  cedana: createCedanaEngine,
  criu: createCriuEngine,
};

/** Engines by name. */
export type Engines = ReadonlyMap<string, Engine>;

/** Returns the engine of the settings. */
export function createEngines(settings: CheckpointSettings, tools: EngineTools): Engines {
  const create = FACTORIES[settings.engine] as EngineFactory<CheckpointSettings>;
  const engine = create(settings, tools);
  return new Map([[engine.name, engine]]);
}
