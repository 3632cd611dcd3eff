import * as v from "../schema/valibot";
import type { EngineKind } from "../engines";
import { described, shape } from "../schema";
import { checkpointsOf } from "./checkpoints";
import type { Problem } from "../schema/problem";
import type { ResolvedInstall } from "./schema";

export const restoreSchema = shape({
  failurePolicy: described(
    v.optional(v.picklist(["Ignore", "Fail"]), "Ignore"),
    "What happens to a pod that requests a restore while no controller answers. Ignore: it starts without a checkpoint, unless it requests to stop instead. Fail: it is not admitted.",
  ),
  certificates: described(
    v.optional(v.picklist(["own", "cert-manager"]), "own"),
    "Issuer of the webhook's certificate. own: the controller, which stores it in a Secret. cert-manager: must be installed in the cluster.",
  ),
  grantToEditors: described(
    v.optional(v.boolean(), false),
    "Whether users who may edit a namespace may restore in it. The right is aggregated to the ClusterRoles edit and admin.",
  ),
});

/** Returns what is restored, or false without restore: another engine, no controller, or no Checkpoints. */
export function restoreOf(engine: EngineKind, install: ResolvedInstall) {
  const checkpoints = checkpointsOf(install);
  if (engine !== "kubelet" || !checkpoints || install.restore === false) return false;
  return { namespaces: checkpoints.namespaces, ...(install.restore ?? v.parse(restoreSchema, {})) };
}

/** Rejects restore settings when restore is disabled. Paths begin with `install`. */
export function checkRestore(engine: EngineKind, install: ResolvedInstall): Problem[] {
  if (!install.restore || restoreOf(engine, install)) return [];
  const path = ["install", "restore"];
  if (engine !== "kubelet")
    return [
      {
        code: "of-other-engine",
        path,
        message: "is for checkpoints that are images, which the engine cedana does not make",
        remedy: "leave it out, or set engine.kind: kubelet",
      },
    ];
  return [
    {
      code: "restore-without-checkpoints",
      path,
      message: "has nothing to restore from: no Checkpoint objects are acted upon",
      remedy: "leave it out, or give install.checkpoints its namespaces",
    },
  ];
}
