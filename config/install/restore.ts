import * as v from "valibot";
import type { EngineKind } from "../engines";
import { described, shape } from "../schema";
import { checkpointsOf } from "./checkpoints";
import type { Problem } from "../schema/problem";
import type { ResolvedInstall } from "./schema";

export const restoreSchema = shape({
  failurePolicy: described(
    v.optional(v.picklist(["Ignore", "Fail"]), "Ignore"),
    "What becomes of a pod that asks to be restored while no controller answers. Ignore: it starts fresh, unless it asks to stop instead. Fail: it is not admitted. Default: Ignore.",
  ),
  certificates: described(
    v.optional(v.picklist(["own", "cert-manager"]), "own"),
    "Who issues the webhook's certificate. own: the controller, which keeps it in a Secret. cert-manager: it must be in the cluster. Default: own.",
  ),
  grantToEditors: described(
    v.optional(v.boolean(), false),
    "Whether whoever may edit a namespace may restore in it (aggregated to the ClusterRoles edit and admin). Default: false.",
  ),
});

/** What is restored, and where; false if nothing is: another engine, no controller, or no Checkpoints are acted upon. */
export function restoreOf(engine: EngineKind, install: ResolvedInstall) {
  const checkpoints = checkpointsOf(install);
  if (engine !== "kubelet" || !checkpoints || install.restore === false) return false;
  const { failurePolicy = "Ignore", certificates = "own", grantToEditors = false } = install.restore ?? {};
  return { namespaces: checkpoints.namespaces, failurePolicy, certificates, grantToEditors };
}

/** Settings of a restore that there is not. Paths begin with `install`. */
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
