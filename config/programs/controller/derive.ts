import { definitionOf, memoryReadingsOf, platformOf, restoreOf, type ResolvedEngine } from "../../engines";
import {
  agentNamespace,
  checkpointsOf,
  destinationsOf,
  gateOwner,
  gateTaint,
  gateTimes,
  namesOf,
  policiesOf,
  servedNames,
  verifyOf,
  type ResolvedInstall,
} from "../../install";
import type { PlatformAccess } from "../../engines";
import type { CheckpointSettings, ControllerSettings, GateSettings, RestoreSettings } from "./schema";

/** Annotation of the agents' pods with the hash of their configuration. */
export const HASH_ANNOTATION = "checksum/config";

/** Returns the settings of the controller of an install, also if the install has no controller. */
export function controllerSettings(engine: ResolvedEngine, install: ResolvedInstall): ControllerSettings {
  return {
    namespace: install.namespace,
    leaseName: namesOf(install).controller,
    log: { level: install.controller ? install.controller.logLevel : "info" },
    gate: gate(install),
    checkpoints: checkpoints(engine, install),
    restore: restore(engine, install),
    ...policies(engine, install),
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
    // A NodeReadinessRule has a separate dry-run mode, which requires the conditions that the controller sets.
    dryRun: dryRun && owner === "controller",
  };
}

function checkpoints(engine: ResolvedEngine, install: ResolvedInstall): CheckpointSettings | false {
  const settings = checkpointsOf(install);
  return settings && definitionOf(engine).controller.settings(engine, install, settings);
}

function policies(engine: ResolvedEngine, install: ResolvedInstall): Pick<ControllerSettings, "policies"> {
  const settings = policiesOf(install);
  if (!settings) return {};
  const { maxInFlight, actions, webhook, platform } = settings;
  const access = platformOf(engine, install);
  const verify = restoreOf(engine, install) && verifyOf(install);
  const destinations = destinationsOf(install);
  return {
    policies: {
      maxInFlight,
      actions,
      memory: { namespace: agentNamespace(install), readings: memoryReadingsOf(engine, install) },
      ...(verify && { verify: { ...verify, networkPolicy: namesOf(install).sandboxes } }),
      ...(webhook && { webhook: { port: POLICY_WEBHOOK_PORT, secrets: webhook.secrets } }),
      ...(destinations.length > 0 && { notify: { namespace: install.namespace, destinations } }),
      ...(platform && access && { platform: { ...platform, ...mirror(access, install) } }),
    },
  };
}

/** Directory and file of the platform's token in the pods of the controller. */
export const PLATFORM_TOKEN = { directory: "/etc/cedana-platform", file: "token" } as const;

function mirror({ url, clusterId, root }: PlatformAccess, install: ResolvedInstall) {
  const { directory, file } = PLATFORM_TOKEN;
  const record = namesOf(install).platformPolicies;
  return { url, clusterId, root, namespace: install.namespace, record, tokenFile: `${directory}/${file}` };
}

/** Port of the controller's webhook. */
export const WEBHOOK_PORT = 9443;
/** Port of the server of the trigger `webhook`. */
export const POLICY_WEBHOOK_PORT = 9444;
/** Name of that port in the pod. */
export const POLICY_PORT_NAME = "policies";

function restore(engine: ResolvedEngine, install: ResolvedInstall): RestoreSettings | false {
  const settings = restoreOf(engine, install);
  if (!settings) return false;
  const names = namesOf(install);
  return {
    namespaces: settings.namespaces,
    nodeSelector: install.nodeSelector,
    port: WEBHOOK_PORT,
    configuration: names.restore,
    secret: names.restoreCertificate,
    dnsNames: servedNames(install),
    certificates: settings.certificates,
  };
}
