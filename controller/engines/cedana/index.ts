/** The engine cedana. */
import { ManagerClient } from "../../../clients/cedana/manager";
import type { CheckpointSettings } from "../../../config/programs/controller";
import { CedanaEngine } from "./engine";

/** Creates the engine with a client of Cedana's manager. */
export function createCedanaEngine({
  manager: { url, root, timeoutSeconds },
}: Extract<CheckpointSettings, { readonly engine: "cedana" }>): CedanaEngine {
  const timeoutMs = timeoutSeconds * 1000;
  return new CedanaEngine(new ManagerClient({ url, root, timeoutMs }), timeoutMs);
}
