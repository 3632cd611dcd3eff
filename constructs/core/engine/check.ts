import type { Problem } from "../problem";
import { checkCedanaEngine } from "./check-cedana";
import { checkKubeletEngine } from "./check-kubelet";
import type { ResolvedEngine } from "./schema";
import { refuseSecrets } from "./secret";

/** What depends on several properties of the engine. */
export function checkEngine(engine: ResolvedEngine): Problem[] {
  return [
    ...(engine.kind === "cedana" ? checkCedanaEngine(engine) : checkKubeletEngine(engine)),
    ...refuseSecrets(engine),
  ];
}
