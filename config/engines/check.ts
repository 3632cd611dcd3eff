import * as v from "../schema/valibot";
import {
  checkpointsOf,
  deleteArtifactsOf,
  gateOwner,
  policiesOf,
  restoreSchema,
  verifyOf,
  type MemorySource,
  type ResolvedInstall,
} from "../install";
import { rejectSecrets } from "../secret";
import { printable, type Problem, type PropertyPath } from "../schema/problem";
import type { PlatformAccess } from "./engine";
import { definitionOf, type ResolvedEngine } from "./table";

/** Checks an engine without the install. Paths begin with a property of the engine. */
export function checkEngine(engine: ResolvedEngine): Problem[] {
  return [...definitionOf(engine).check(engine), ...rejectSecrets(engine)];
}

/** Checks an engine together with the install. Paths begin with `engine` or `install`. */
export function checkTogether(engine: ResolvedEngine, install: ResolvedInstall): Problem[] {
  return [
    ...checkController(engine, install),
    ...checkGateOwner(engine, install),
    ...definitionOf(engine).checkInstall(engine, install),
    ...checkRestore(engine, install),
    ...checkVerifications(engine, install),
    ...checkMemoryReadings(engine, install),
    ...checkArtifacts(engine, install),
    ...checkPolicyEngines(engine, install),
    ...checkPolicyWebhook(engine, install),
    ...checkPlatform(engine, install),
  ];
}

/** Returns what reads the memory of pods for policies. */
export function memoryReadingsOf(engine: ResolvedEngine, { policies }: ResolvedInstall): MemorySource {
  const given = policies === false ? undefined : policies.memoryReadings;
  return given ?? (definitionOf(engine).readsMemory ? "agent" : "metrics-server");
}

/** Returns whether the agents of the install read the memory of pods. */
export function watchesMemory(engine: ResolvedEngine, install: ResolvedInstall): boolean {
  return policiesOf(install) !== false && memoryReadingsOf(engine, install) === "agent";
}

/** Rejects readings of agents that the engine does not have. */
function checkMemoryReadings(engine: ResolvedEngine, install: ResolvedInstall): Problem[] {
  if (memoryReadingsOf(engine, install) !== "agent" || definitionOf(engine).readsMemory) return [];
  return [
    {
      code: "engine-mismatch",
      path: ["install", "policies", "memoryReadings"],
      message: `is not supported: the agents of the engine ${engine.kind} do not read memory`,
      given: "agent",
      allowed: "metrics-server",
      remedy: "remove it, and run a metrics server in the cluster",
    },
  ];
}

/** Returns the settings of restores by the controller's webhook. False if the engine does not use it, or it is disabled. */
export function restoreOf(engine: ResolvedEngine, install: ResolvedInstall) {
  const checkpoints = checkpointsOf(install);
  if (!restoresByWebhook(engine) || !checkpoints || install.restore === false) return false;
  return { namespaces: checkpoints.namespaces, ...(install.restore ?? v.parse(restoreSchema, {})) };
}

/** Returns whether the controller's webhook prepares pods for a restore by the engine. */
function restoresByWebhook(engine: ResolvedEngine): boolean {
  return definitionOf(engine).restoresBy !== "runtimeClass";
}

function checkController(engine: ResolvedEngine, { controller }: ResolvedInstall): Problem[] {
  if (controller || !definitionOf(engine).needsController) return [];
  return [
    {
      code: "missing",
      path: ["install", "controller"],
      message: `is required by the engine ${engine.kind}`,
      allowed: "{ image: { repository, tag or digest } }",
      remedy: "build the image (npm run image -- controller) and set it here, or choose another engine.kind",
    },
  ];
}

/** Rejects the gate owner `manager` if the engine has no manager. */
function checkGateOwner(engine: ResolvedEngine, install: ResolvedInstall): Problem[] {
  const { controller } = install;
  if (gateOwner(install) !== "manager" || definitionOf(engine).capabilities(engine, install).manager)
    return [];
  if (!controller) return []; // checkController reports the missing controller.
  return [
    {
      code: "readiness-gate-without-owner",
      path: ["install", "readinessGate", "owner"],
      message: `cannot be manager: the engine ${engine.kind} has no manager`,
      given: "manager",
      allowed: "controller, nodeReadinessRule",
      remedy: "remove it: without a manager, nodes would never become ready",
    },
  ];
}

/** @param lack of the engine: `no restore by the webhook` */
function unsupported({ kind }: ResolvedEngine, path: PropertyPath, lack: string): Problem {
  return {
    code: "engine-mismatch",
    path,
    message: `is not supported: the engine ${kind} has ${lack}`,
    remedy: "remove it, or choose another engine.kind",
  };
}

/** Rejects verifications without restores by the webhook: they restore Checkpoints in pods. */
function checkVerifications(engine: ResolvedEngine, install: ResolvedInstall): Problem[] {
  if (!verifyOf(install) || restoreOf(engine, install)) return [];
  const path = ["install", "policies", "verify"];
  if (!restoresByWebhook(engine)) return [unsupported(engine, path, "no restore by the webhook")];
  return [
    {
      code: "verify-without-restore",
      path,
      message: "requires restores, which are disabled",
      given: "install.restore: false",
      remedy: "remove verify, or remove install.restore: false",
    },
  ];
}

/** Rejects the deletion of artifacts in a registry by an engine that has none. */
function checkArtifacts(engine: ResolvedEngine, install: ResolvedInstall): Problem[] {
  if (!deleteArtifactsOf(install)) return [];
  if (definitionOf(engine).capabilities(engine, install).storage.in === "registry") return [];
  return [unsupported(engine, ["install", "checkpoints", "deleteArtifacts"], "no artifacts in a registry")];
}

/** Rejects the webhook of policies without the certificate of the restore webhook. */
function checkPolicyWebhook(engine: ResolvedEngine, install: ResolvedInstall): Problem[] {
  const policies = policiesOf(install);
  if (!policies || !policies.webhook || restoreOf(engine, install)) return [];
  const canRestore = restoresByWebhook(engine);
  return [
    {
      code: "policy-webhook-without-restore",
      path: ["install", "policies", "webhook"],
      message: canRestore
        ? "needs the certificate of the restore webhook, which is disabled"
        : `is not supported: the engine ${engine.kind} has no restore by the webhook`,
      allowed: "false",
      remedy: canRestore ? "remove install.restore: false" : "remove it, or choose another engine.kind",
    },
  ];
}

/** Returns the access to the platform in which policies are mirrored; undefined if the install mirrors none. */
export function platformOf(engine: ResolvedEngine, install: ResolvedInstall): PlatformAccess | undefined {
  const policies = policiesOf(install);
  return policies && policies.platform ? definitionOf(engine).platform?.(engine) : undefined;
}

/** Rejects mirrored policies with an engine that has no platform. */
function checkPlatform(engine: ResolvedEngine, install: ResolvedInstall): Problem[] {
  const policies = policiesOf(install);
  if (!policies || !policies.platform || definitionOf(engine).platform) return [];
  return [unsupported(engine, ["install", "policies", "platform"], "no platform")];
}

/** Rejects restore settings when restore is disabled. */
function checkRestore(engine: ResolvedEngine, install: ResolvedInstall): Problem[] {
  if (!install.restore || restoreOf(engine, install)) return [];
  const path = ["install", "restore"];
  if (!restoresByWebhook(engine)) return [unsupported(engine, path, "no restore by the webhook")];
  return [
    {
      code: "restore-without-checkpoints",
      path,
      message: "has no effect: no Checkpoint objects are reconciled",
      remedy:
        install.checkpoints === false
          ? "remove it, or replace install.checkpoints: false by install.checkpoints.namespaces"
          : "remove it, or list namespaces in install.checkpoints.namespaces",
    },
  ];
}

/** Rejects policies whose action names another engine: the controller has only the one of the platform. */
function checkPolicyEngines({ kind }: ResolvedEngine, { policies }: ResolvedInstall): Problem[] {
  if (!policies) return [];
  return (["checkpointPolicies", "clusterCheckpointPolicies"] as const).flatMap((list) =>
    policies[list].flatMap(({ action }, index) =>
      Object.entries(action).flatMap(([name, settings]) =>
        !("engine" in settings) || settings.engine === undefined || settings.engine === kind
          ? []
          : [
              {
                code: "engine-mismatch",
                path: ["install", "policies", list, index, "action", name, "engine"],
                message: "is not the engine of the platform",
                given: printable(settings.engine),
                allowed: kind,
                remedy: "remove it: the controller has only the engine of the platform",
              },
            ],
      ),
    ),
  );
}
