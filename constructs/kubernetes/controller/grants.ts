import type { V1PolicyRule } from "@kubernetes/client-node";
import { AUTOMATION_GROUP, NODE_CHECKPOINT } from "../../../api";
import type { EngineKind } from "../../../config/engines";
import {
  agentNamespace,
  checkpointsOf,
  gateOwner,
  gateTimes,
  namesOf,
  restoreOf,
  type ResolvedInstall,
} from "../../../config/install";

/** Permissions of the controller in some or all namespaces, with the name of their Role. */
export interface ControllerGrant {
  readonly id: string;
  readonly name: string;
  readonly namespaces: "all" | readonly string[];
  readonly rules: V1PolicyRule[];
}

/** Namespace of events about Nodes, which have none (events.k8s.io/v1). */
const EVENTS_OF_NODES = "default";

/** Verbs of a reflector. */
const FOLLOW = ["list", "watch"];

const REPORT: V1PolicyRule = {
  apiGroups: ["events.k8s.io"],
  resources: ["events"],
  verbs: ["create", "patch"],
};

/** Returns all permissions of the controller: exactly those that the enabled controllers use. */
export function controllerGrants(install: ResolvedInstall, engine: EngineKind): ControllerGrant[] {
  if (!install.controller) return [];
  return [...lease(install), ...gate(install), ...checkpoints(install, engine), ...restore(install, engine)];
}

/** Leader election. Kubernetes cannot limit `create` to a name, hence the separate rule. */
function lease(install: ResolvedInstall): ControllerGrant[] {
  const names = namesOf(install);
  const about = { apiGroups: ["coordination.k8s.io"], resources: ["leases"] };
  return [
    {
      id: "lease",
      name: names.controllerLease,
      namespaces: [install.namespace],
      rules: [
        { ...about, verbs: ["create"] },
        { ...about, resourceNames: [names.controller], verbs: ["get", "update"] },
      ],
    },
  ];
}

/** Readiness gate. A dry run writes nothing. If a NodeReadinessRule owns the gate, only conditions are written. */
function gate(install: ResolvedInstall): ControllerGrant[] {
  const owner = gateOwner(install);
  if (owner === "manager") return [];
  const names = namesOf(install);
  const dryRun = owner === "controller" && gateTimes(install).dryRun;
  const taints = owner === "controller" && !dryRun;
  return [
    {
      id: "nodes",
      name: names.controller,
      namespaces: "all",
      rules: [
        {
          apiGroups: [""],
          resources: ["nodes"],
          verbs: [...FOLLOW, ...(taints ? ["get", "patch"] : [])],
        },
        ...(dryRun ? [] : [{ apiGroups: [""], resources: ["nodes/status"], verbs: ["patch"] }]),
      ],
    },
    {
      id: "agents",
      name: names.controllerAgents,
      namespaces: [agentNamespace(install)],
      rules: [
        { apiGroups: [""], resources: ["pods"], verbs: FOLLOW },
        { apiGroups: ["apps"], resources: ["daemonsets"], verbs: FOLLOW },
      ],
    },
    ...(dryRun
      ? []
      : [{ id: "events", name: names.controllerEvents, namespaces: [EVENTS_OF_NODES], rules: [REPORT] }]),
  ];
}

/** Checkpoint controller. It creates a Checkpoint for a `Cedana`, and deletes neither. */
function checkpoints(install: ResolvedInstall, engine: EngineKind): ControllerGrant[] {
  const settings = checkpointsOf(install);
  if (!settings) return [];
  const names = namesOf(install);
  const checkpoint = { apiGroups: [AUTOMATION_GROUP] };
  const cedana = { apiGroups: ["core.cedana.ai"] };
  return [
    {
      id: "checkpoints",
      name: names.controllerCheckpoints,
      namespaces: settings.namespaces,
      rules: [
        { ...checkpoint, resources: ["checkpoints"], verbs: ["get", ...FOLLOW, "create"] },
        { ...checkpoint, resources: ["checkpoints/status"], verbs: ["patch"] },
        ...(engine === "cedana"
          ? [
              { ...cedana, resources: ["cedanas"], verbs: ["get", ...FOLLOW, "patch"] },
              { ...cedana, resources: ["cedanas/status"], verbs: ["patch"] },
            ]
          : []),
        { apiGroups: [""], resources: ["pods"], verbs: ["get"] },
        REPORT,
      ],
    },
    ...(engine === "kubelet"
      ? [
          {
            id: "node-checkpoints",
            name: names.controllerNodeCheckpoints,
            namespaces: [agentNamespace(install)],
            rules: [
              {
                ...checkpoint,
                resources: [NODE_CHECKPOINT.plural],
                verbs: ["get", ...FOLLOW, "create", "delete"],
              },
            ],
          },
        ]
      : []),
  ];
}

/**
 * Restore. Pods are listed in the namespaces with restore, and patched to give them their original images back. Only the
 * controller's own Secret and webhook can be read and written, but Kubernetes cannot limit `create` to a name.
 */
function restore(install: ResolvedInstall, engine: EngineKind): ControllerGrant[] {
  const settings = restoreOf(engine, install);
  if (!settings) return [];
  const names = namesOf(install);
  const secret = { apiGroups: [""], resources: ["secrets"] };
  const own = settings.certificates === "own";
  return [
    {
      id: "restore",
      name: names.controllerRestore,
      namespaces: settings.namespaces,
      rules: [{ apiGroups: [""], resources: ["pods"], verbs: [...FOLLOW, "patch"] }],
    },
    {
      id: "certificate",
      name: names.controllerCertificate,
      namespaces: [install.namespace],
      rules: [
        {
          ...secret,
          resourceNames: [names.restoreCertificate],
          verbs: [...FOLLOW, ...(own ? ["patch"] : [])],
        },
        ...(own ? [{ ...secret, verbs: ["create"] }] : []),
      ],
    },
    ...(own
      ? [
          {
            id: "webhook",
            name: names.controllerCertificate,
            namespaces: "all" as const,
            rules: [
              {
                apiGroups: ["admissionregistration.k8s.io"],
                resources: ["mutatingwebhookconfigurations"],
                resourceNames: [names.restore],
                verbs: [...FOLLOW, "patch"],
              },
            ],
          },
        ]
      : []),
  ];
}
