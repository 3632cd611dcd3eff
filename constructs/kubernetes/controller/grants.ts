import type { V1PolicyRule } from "@kubernetes/client-node";
import { AUTOMATION_GROUP, CLUSTER_NAMESPACE, NODE_MEMORY_WATCH } from "../../../api";
import { memoryReadingsOf, platformOf, restoreOf } from "../../../config/engines";
import {
  agentNamespace,
  checkpointsOf,
  deleteArtifactsOf,
  destinationsOf,
  gateOwner,
  namesOf,
  policiesOf,
  verifyOf,
  type PoliciesOf,
  type ResolvedInstall,
} from "../../../config/install";
import { identityRule } from "../admission";
import { isIdentified, writesNodes } from "./bounds";
import { SANDBOX_RULES } from "./sandboxes";
import type { CheckpointGrants, EngineInput, NamespacedGrant } from "../engines/engine";

/** Namespace of events about cluster-scoped objects (events.k8s.io/v1). */
const EVENTS_OF_CLUSTER = "default";

/** Verbs of a reflector. */
const FOLLOW = ["list", "watch"];

const REPORT: V1PolicyRule = {
  apiGroups: ["events.k8s.io"],
  resources: ["events"],
  verbs: ["create", "patch"],
};

/**
 * Returns all permissions of the controller: exactly those that the enabled controllers use.
 * @param engines permissions to checkpoint by the engine
 */
export function controllerGrants(input: EngineInput, engines: CheckpointGrants): NamespacedGrant[] {
  const { install } = input;
  if (!install.controller) return [];
  const grants = [
    ...lease(install),
    ...gate(install),
    ...clusterEvents(install),
    ...checkpoints(install, engines),
    ...restore(input),
    ...policies(input),
    ...notifications(install),
    ...verifications(input),
    ...artifacts(install),
  ];
  return isIdentified(input) ? [...grants, identity(install)] : grants;
}

/** By this the policies identify the account, to limit what it may write, or to permit what others may not. */
function identity(install: ResolvedInstall): NamespacedGrant {
  const name = namesOf(install).controllerIdentity;
  return { id: "identity", name, namespaces: "all", rules: [identityRule(install, "controller")] };
}

/** Leader election. Kubernetes cannot limit `create` to a name, hence the separate rule. */
function lease(install: ResolvedInstall): NamespacedGrant[] {
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
function gate(install: ResolvedInstall): NamespacedGrant[] {
  const owner = gateOwner(install);
  if (owner === "manager") return [];
  const names = namesOf(install);
  const dryRun = !writesNodes(install);
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
  ];
}

/** Events about nodes, and about namespaces and kinds that the API server denies. A dry run of the gate writes none. */
function clusterEvents(install: ResolvedInstall): NamespacedGrant[] {
  if (!writesNodes(install) && !checkpointsOf(install)) return [];
  const name = namesOf(install).controllerEvents;
  return [{ id: "events", name, namespaces: [EVENTS_OF_CLUSTER], rules: [REPORT] }];
}

/** Checkpoint controller. */
function checkpoints(install: ResolvedInstall, engines: CheckpointGrants): NamespacedGrant[] {
  const settings = checkpointsOf(install);
  if (!settings) return [];
  const names = namesOf(install);
  const checkpoint = { apiGroups: [AUTOMATION_GROUP] };
  return [
    {
      id: "checkpoints",
      name: names.controllerCheckpoints,
      namespaces: settings.namespaces,
      rules: [
        { ...checkpoint, resources: ["checkpoints"], verbs: ["get", ...FOLLOW, "patch"] },
        { ...checkpoint, resources: ["checkpoints/status"], verbs: ["patch"] },
        ...engines.rules,
        { apiGroups: [""], resources: ["pods"], verbs: ["get"] },
        REPORT,
      ],
    },
    ...engines.elsewhere,
  ];
}

/**
 * Deletion of artifacts. When a namespace is deleted, its RoleBindings may be deleted before its Checkpoints, so the permission to
 * release them is not of the namespace, nor is that to see that it is deleted. The UID of kube-system identifies the cluster.
 */
function artifacts(install: ResolvedInstall): NamespacedGrant[] {
  const settings = checkpointsOf(install);
  if (!settings || !deleteArtifactsOf(install)) return [];
  const namespaces = settings.namespaces === "all" ? [] : settings.namespaces;
  return [
    {
      id: "artifacts",
      name: namesOf(install).controllerArtifacts,
      namespaces: "all",
      rules: [
        { apiGroups: [AUTOMATION_GROUP], resources: ["checkpoints"], verbs: ["get", ...FOLLOW, "patch"] },
        {
          apiGroups: [""],
          resources: ["namespaces"],
          resourceNames: [...new Set([CLUSTER_NAMESPACE, ...namespaces])],
          verbs: ["get"],
        },
      ],
    },
  ];
}

/** Policies. They read pods, and the annotations of the workloads that own them. Namespaces and cluster policies have no namespace. */
function policies({ engine, install }: EngineInput): NamespacedGrant[] {
  const checkpointing = checkpointsOf(install);
  const settings = policiesOf(install);
  if (!settings || !checkpointing) return [];
  const { controllerPolicies: name, controllerPolicySecrets } = namesOf(install);
  const { webhook } = settings;
  // Each replica reads a policy again before it accepts a request.
  const read = [...(webhook ? ["get"] : []), ...FOLLOW];
  const readings = memoryReadingsOf(engine, install);
  const policy = { apiGroups: [AUTOMATION_GROUP] };
  return [
    {
      id: "policies",
      name,
      namespaces: checkpointing.namespaces,
      rules: [
        { ...policy, resources: ["checkpointpolicies"], verbs: read },
        { ...policy, resources: ["checkpointpolicies/status"], verbs: ["patch"] },
        { ...policy, resources: ["checkpoints"], verbs: ["create"] },
        { apiGroups: [""], resources: ["pods"], verbs: FOLLOW },
        { apiGroups: ["apps"], resources: ["replicasets", "statefulsets", "daemonsets"], verbs: FOLLOW },
        { apiGroups: ["batch"], resources: ["jobs"], verbs: FOLLOW },
        ...actionRules(settings),
        ...(readings === "metrics-server"
          ? [{ apiGroups: ["metrics.k8s.io"], resources: ["pods"], verbs: ["list"] }]
          : []),
      ],
    },
    {
      id: "node-memory-watches",
      name: namesOf(install).controllerNodeMemoryWatches,
      namespaces: [agentNamespace(install)],
      rules: [
        {
          ...policy,
          resources: [NODE_MEMORY_WATCH.plural],
          verbs: ["get", ...FOLLOW, "patch", "create", "delete"],
        },
        // The agents write it themselves.
        ...(readings === "metrics-server"
          ? [{ ...policy, resources: [`${NODE_MEMORY_WATCH.plural}/status`], verbs: ["patch"] }]
          : []),
      ],
    },
    {
      id: "cluster-policies",
      name: `${name}-cluster`,
      namespaces: "all",
      rules: [
        { ...policy, resources: ["clustercheckpointpolicies"], verbs: read },
        { ...policy, resources: ["clustercheckpointpolicies/status"], verbs: ["patch"] },
        { apiGroups: [""], resources: ["namespaces"], verbs: FOLLOW },
      ],
    },
    ...(webhook
      ? [
          {
            id: "policy-secrets",
            name: controllerPolicySecrets,
            namespaces: withOwn(install, checkpointing.namespaces),
            rules: [
              { apiGroups: [""], resources: ["secrets"], resourceNames: webhook.secrets, verbs: ["get"] },
            ],
          },
        ]
      : []),
    ...(platformOf(engine, install) ? [platformRecord(install)] : []),
  ];
}

/** Keys with which notifications are signed, of the listed Secrets in the namespace of the install. */
function notifications(install: ResolvedInstall): NamespacedGrant[] {
  const resourceNames = [...new Set(destinationsOf(install).map(({ secret }) => secret.name))];
  if (resourceNames.length === 0) return [];
  const { controllerNotifySecrets: name } = namesOf(install);
  const rules = [{ apiGroups: [""], resources: ["secrets"], resourceNames, verbs: ["get"] }];
  return [{ id: "notify-secrets", name, namespaces: [install.namespace], rules }];
}

/** Ids of the copies in the platform. Kubernetes cannot limit `create` to a name: a policy does. */
function platformRecord(install: ResolvedInstall): NamespacedGrant {
  const { controllerPlatformPolicies: name, platformPolicies } = namesOf(install);
  const configMaps = { apiGroups: [""], resources: ["configmaps"] };
  return {
    id: "platform-policies",
    name,
    namespaces: [install.namespace],
    rules: [
      { ...configMaps, verbs: ["create"] },
      { ...configMaps, resourceNames: [platformPolicies], verbs: [...FOLLOW, "patch"] },
    ],
  };
}

/** Returns the permissions of the actions that `install.policies.actions` enables. */
function actionRules({ actions }: PoliciesOf): V1PolicyRule[] {
  const isScaled = actions.includes("suspend") || actions.includes("resume");
  return [
    ...(actions.includes("checkpointThenDelete")
      ? [{ apiGroups: [""], resources: ["pods/eviction"], verbs: ["create"] }]
      : []),
    ...(actions.includes("deleteCheckpoints")
      ? [{ apiGroups: [AUTOMATION_GROUP], resources: ["checkpoints"], verbs: ["delete"] }]
      : []),
    ...(isScaled
      ? [
          {
            apiGroups: ["apps"],
            resources: ["deployments", "statefulsets", "replicasets"],
            verbs: ["get", "patch"],
          },
          { apiGroups: ["batch"], resources: ["jobs"], verbs: ["get", "patch"] },
        ]
      : []),
    // Those that are suspended, by their label.
    ...(actions.includes("resume")
      ? [{ apiGroups: ["apps"], resources: ["deployments"], verbs: FOLLOW }]
      : []),
  ];
}

/** Returns whether the controller verifies Checkpoints. */
export function verifies({ engine, install }: EngineInput): boolean {
  return verifyOf(install) !== false && restoreOf(engine, install) !== false;
}

/** Verification: sandbox pods. Policies limit which pods are created and deleted. */
function verifications(input: EngineInput): NamespacedGrant[] {
  const checkpointing = checkpointsOf(input.install);
  if (!checkpointing || !verifies(input)) return [];
  const name = namesOf(input.install).controllerSandboxes;
  return [{ id: "sandboxes", name, namespaces: checkpointing.namespaces, rules: [...SANDBOX_RULES] }];
}

/** Adds the namespace of the install: cluster-scoped policies have their Secrets there. */
function withOwn({ namespace }: ResolvedInstall, namespaces: "all" | readonly string[]) {
  return namespaces === "all" ? namespaces : [...new Set([...namespaces, namespace])];
}

/**
 * Restore. Pods are listed in the namespaces with restore, and patched so that they no longer wait for a plan. Only the
 * controller's own Secret and webhook can be read and written, but Kubernetes cannot limit `create` to a name.
 */
function restore({ engine, install }: EngineInput): NamespacedGrant[] {
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
