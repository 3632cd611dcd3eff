import { ManagerClient } from "../../clients/cedana/manager";
import type { CheckpointSettings } from "../../config/programs/controller";
import type { Runtime } from "../runtime";
import { CedanaEngine } from "./cedana";
import type { Engine } from "./engine";
import { KubeletEngine } from "./kubelet";

/** Engines by name. */
export type Engines = ReadonlyMap<string, Engine>;

export type EngineTools = Pick<Runtime, "cache" | "client" | "log">;

/** The engine that the settings describe. */
export function createEngines(settings: CheckpointSettings, tools: EngineTools): Engines {
  const engine = settings.engine === "cedana" ? cedana(settings.manager) : kubelet(settings.agent, tools);
  return new Map([[engine.name, engine]]);
}

type Of<Name> = Extract<CheckpointSettings, { readonly engine: Name }>;

function cedana({ url, root, timeoutSeconds }: Of<"cedana">["manager"]): Engine {
  const timeoutMs = timeoutSeconds * 1000;
  return new CedanaEngine(new ManagerClient({ url, root, timeoutMs }), timeoutMs);
}

function kubelet(place: Of<"kubelet">["agent"], tools: EngineTools): Engine {
  return new KubeletEngine({ ...tools, place });
}
