import * as v from "../schema/valibot";
import { checkpointsOf, gateOwner, restoreSchema, type ResolvedInstall } from "../install";
import { refuseSecrets } from "../secret";
import type { Problem } from "../schema/problem";
import { definitionOf, type ResolvedEngine } from "./table";

/** Checks an engine by itself. Paths begin with a property of the engine. */
export function checkEngine(engine: ResolvedEngine): Problem[] {
  return [...definitionOf(engine).check(engine), ...refuseSecrets(engine)];
}

/** Checks engine and install together. Paths begin with `engine` or `install`. */
export function checkTogether(engine: ResolvedEngine, install: ResolvedInstall): Problem[] {
  return [
    ...checkController(engine, install),
    ...checkGateOwner(engine, install),
    ...definitionOf(engine).checkInstall(engine, install),
    ...checkRestore(engine, install),
  ];
}

/** Returns what is restored by the controller's webhook. False: the engine restores otherwise, or nothing is restored. */
export function restoreOf(engine: ResolvedEngine, install: ResolvedInstall) {
  const checkpoints = checkpointsOf(install);
  if (definitionOf(engine).restoresBy !== "image" || !checkpoints || install.restore === false) return false;
  return { namespaces: checkpoints.namespaces, ...(install.restore ?? v.parse(restoreSchema, {})) };
}

function checkController(engine: ResolvedEngine, { controller }: ResolvedInstall): Problem[] {
  if (controller || !definitionOf(engine).needsController) return [];
  return [
    {
      code: "missing",
      path: ["install", "controller"],
      message: `is required by the engine ${engine.kind}`,
      allowed: "{ image: { repository, tag or digest } }",
      remedy: "build its image (npm run image -- controller) and set it here; or choose another engine.kind",
    },
  ];
}

/** Checks that an engine whose manager owns the gate has a manager. */
function checkGateOwner(engine: ResolvedEngine, install: ResolvedInstall): Problem[] {
  const { controller } = install;
  if (gateOwner(install) !== "manager" || definitionOf(engine).capabilities(engine, install).manager)
    return [];
  if (!controller) return []; // The missing controller is reported.
  return [
    {
      code: "readiness-gate-without-owner",
      path: ["install", "readinessGate", "owner"],
      message: `cannot be manager: the engine ${engine.kind} has no manager`,
      given: "manager",
      allowed: "controller, nodeReadinessRule",
      remedy: "leave it out; otherwise nodes never become ready",
    },
  ];
}

/** Rejects restore settings when restore is disabled. */
function checkRestore(engine: ResolvedEngine, install: ResolvedInstall): Problem[] {
  if (!install.restore || restoreOf(engine, install)) return [];
  const path = ["install", "restore"];
  if (definitionOf(engine).restoresBy !== "image") {
    return [
      {
        code: "engine-mismatch",
        path,
        message: `is not supported: the engine ${engine.kind} does not restore from images`,
        remedy: "leave it out, or choose another engine.kind",
      },
    ];
  }
  return [
    {
      code: "restore-without-checkpoints",
      path,
      message: "has no effect: no Checkpoint objects are reconciled",
      remedy: "leave it out, or set install.checkpoints.namespaces",
    },
  ];
}
