import type { ResolvedEngine } from "../../engines";
import {
  agentNamespace,
  checkpointsOf,
  gateOwner,
  gateTaint,
  gateTimes,
  namesOf,
  restoreOf,
  type ResolvedInstall,
} from "../../install";
import type { CheckpointSettings, ControllerSettings, GateSettings, RestoreSettings } from "./schema";

/** Annotation of the agents' pods with the hash of the configuration that they read. */
export const HASH_ANNOTATION = "checksum/config";

/** What the controller of an install is told. Without a controller in the install: what it would be told. */
export function controllerSettings(engine: ResolvedEngine, install: ResolvedInstall): ControllerSettings {
  return {
    namespace: install.namespace,
    leaseName: namesOf(install).controller,
    log: { level: install.controller ? install.controller.logLevel : "info" },
    gate: gate(install),
    checkpoints: checkpoints(engine, install),
    restore: restore(engine, install),
  };
}

function gate(install: ResolvedInstall): GateSettings | false {
  const owner = gateOwner(install);
  if (owner === "manager") return false;
  const names = namesOf(install);
  const namespace = agentNamespace(install);
  const { dryRun, ...times } = gateTimes(install);
  return {
    owner,
    taint: gateTaint(install),
    nodeSelector: install.nodeSelector,
    agents: [
      { name: "helper", namespace, daemonSet: names.helper },
      { name: "health-check", namespace, daemonSet: names.healthCheck },
    ],
    podSelector: {
      "app.kubernetes.io/name": install.partOf,
      "app.kubernetes.io/instance": install.instance ?? install.name,
    },
    hashAnnotation: HASH_ANNOTATION,
    ...times,
    // A rule previews by itself, on the conditions that the controller keeps.
    dryRun: dryRun && owner === "controller",
  };
}

function checkpoints(engine: ResolvedEngine, install: ResolvedInstall): CheckpointSettings | false {
  const settings = checkpointsOf(install);
  if (!settings) return false;
  const { namespaces, maxPerNode, locations, root, timeoutSeconds } = settings;
  const common = { namespaces, maxPerNode, locations };
  if (engine.kind === "kubelet") {
    const { kind, repository } = engine;
    return {
      ...common,
      engine: kind,
      agent: { namespace: agentNamespace(install), repository, timeoutSeconds },
    };
  }
  const host = `${namesOf(install).managerService}.${install.namespace}`;
  return {
    ...common,
    engine: engine.kind,
    manager: { url: `http://${host}:${install.manager.service.port}`, root, timeoutSeconds },
  };
}

/** Port on which the controller serves its webhook. */
export const WEBHOOK_PORT = 9443;

function restore({ kind }: ResolvedEngine, install: ResolvedInstall): RestoreSettings | false {
  const settings = restoreOf(kind, install);
  if (!settings) return false;
  const names = namesOf(install);
  return {
    namespaces: settings.namespaces,
    nodeSelector: install.nodeSelector,
    port: WEBHOOK_PORT,
    configuration: names.restore,
    secret: names.restoreCertificate,
    dnsNames: [`${names.restore}.${install.namespace}.svc`],
    certificates: settings.certificates,
  };
}
