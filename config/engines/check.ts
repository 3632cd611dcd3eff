import type { Problem } from "../schema/problem";
import { checkCedanaEngine } from "./cedana/check-cedana";
import { checkKubeletEngine } from "./kubelet/check";
import type { ResolvedEngine } from "./schema";
import { refuseSecrets } from "./secret";

/** What depends on several properties of the engine. */
export function checkEngine(engine: ResolvedEngine): Problem[] {
  return [
    ...(engine.kind === "cedana" ? checkCedanaEngine(engine) : checkKubeletEngine(engine)),
    ...refuseSecrets(engine),
  ];
}
