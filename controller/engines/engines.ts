import { ManagerClient } from "../../clients/manager";
import type { CheckpointSettings } from "../../constructs/core/controller";
import { CedanaEngine } from "./cedana";
import type { Engine } from "./engine";

/** Engines by name. */
export type Engines = ReadonlyMap<string, Engine>;

/** The engines that the settings describe. */
export function createEngines(settings: CheckpointSettings): Engines {
  if (settings.engine !== "cedana") return new Map();
  const { manager } = settings;
  const timeoutMs = manager.timeoutSeconds * 1000;
  const client = new ManagerClient({ url: manager.url, root: manager.root, timeoutMs });
  const cedana = new CedanaEngine(client, timeoutMs);
  return new Map([[cedana.name, cedana]]);
}
