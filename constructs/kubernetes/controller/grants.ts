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

/** Rights of the controller in some namespaces or in all of them, under the name of their Role. */
export interface ControllerGrant {
  readonly id: string;
  readonly name: string;
  readonly namespaces: "all" | readonly string[];
  readonly rules: V1PolicyRule[];
}

/** Events about Nodes, which have no namespace, are kept in this one (events.k8s.io/v1). */
const EVENTS_OF_NODES = "default";

/** What a reflector does. */
const FOLLOW = ["list", "watch"];

const REPORT: V1PolicyRule = {
  apiGroups: ["events.k8s.io"],
  resources: ["events"],
  verbs: ["create", "patch"],
};

/** Everything that the controller may do: what the parts that are on ask of the API server, and nothing else. */
export function controllerGrants(install: ResolvedInstall, engine: EngineKind): ControllerGrant[] {
  if (!install.controller) return [];
  return [...lease(install), ...gate(install), ...checkpoints(install, engine), ...restore(install, engine)];
}

/** Election of a leader. `create` knows no name in Kubernetes, so it is a rule of its own. */
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

/** In a dry run nothing is written; a rule's owner changes nodes himself, so that only their condition is written. */
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

/** A `Cedana` is acted upon by a Checkpoint of its own; nobody deletes one. */
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
 * Pods are listed where they can be restored, and patched to give them their own images back. Of Secrets and webhooks it
 * reads and writes its own by name; `create` knows no name.
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
