/** Engines that take checkpoints: one interface, one directory for each engine. */
import type { EngineKind } from "../../config/engine-kinds";
import type { CheckpointSettings } from "../../config/programs/controller";
import { createCedanaEngine } from "./cedana";
import type { Engine, EngineFactory, EngineTools } from "./engine";
import { createKubeletEngine } from "./kubelet";

export {
  canRestore,
  EngineError,
  type CheckpointRequest,
  type CheckpointResult,
  type Engine,
  type EngineContainer,
  type EngineTools,
  type RestoreEngine,
  type RestoreRequest,
} from "./engine";

type SettingsOf<K extends EngineKind> = Extract<CheckpointSettings, { readonly engine: K }>;

const FACTORIES: { readonly [K in EngineKind]: EngineFactory<SettingsOf<K>> } = {
  cedana: createCedanaEngine,
  kubelet: createKubeletEngine,
};

/** Engines by name. */
export type Engines = ReadonlyMap<string, Engine>;

/** Returns the engine of the settings. */
export function createEngines(settings: CheckpointSettings, tools: EngineTools): Engines {
  const create = FACTORIES[settings.engine] as EngineFactory<CheckpointSettings>;
  const engine = create(settings, tools);
  return new Map([[engine.name, engine]]);
}
