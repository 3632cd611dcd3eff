import type { EngineKind } from "../../config/engine-kinds";
import type { CheckpointSettings } from "../../config/programs/controller";
import { createCedanaEngine } from "./cedana";
import type { Engine, EngineFactory, EngineTools } from "./engine";
import { createKubeletEngine } from "./kubelet";

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
