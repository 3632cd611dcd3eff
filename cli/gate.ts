import { capabilitiesOf, type EngineCapabilities } from "../config/engines";
import { controllerSettings, type AgentSettings, type GateSettings } from "../config/programs/controller";
import { gateKinds, type AgentDaemonSet, type AgentPod, type GateNode } from "../controller/readiness/rules";
import { rawKind, type Client, type Json } from "../kube/client";
import type { ClusterOptions } from "./cluster";
import { CommandError, EXIT } from "./errors";
import { loadPlatform } from "./platform-file";

/** An install in a cluster. */
export interface ClusterChoice extends ClusterOptions {
  readonly file: string;
}

/** Readiness gate of a platform file. */
export interface Gate {
  readonly settings: GateSettings;
  /** Gate owner, for messages. */
  readonly owner: string;
  /** Which checks of the health check gate a node. Undefined if the engine has no such checks. */
  readonly checks?: EngineCapabilities["healthChecks"];
  /** Namespace and name of the controller's Lease and Deployment. */
  readonly controller: { readonly namespace: string; readonly name: string };
}

/**
 * Returns the gate of a platform file. If Cedana's manager is the gate owner, the rules are those of our controller.
 * @throws CommandError (exit code 2) if the file has problems or installs no agents
 */
export function gateOf(file: string): Gate {
  const { engine, install } = loadPlatform(file).platform;
  if (!engine || !install) {
    throw new CommandError(`${file}: has no engine, so there is no readiness gate`, EXIT.badInput);
  }
  const configured = controllerSettings(engine, install);
  const ours = { ...install, readinessGate: { ...install.readinessGate, owner: "controller" as const } };
  const settings = configured.gate || controllerSettings(engine, ours).gate;
  if (!settings) throw new Error("no gate for owner controller");
  const owners = {
    controller: "cedana-cdk's controller",
    nodeReadinessRule: "the node readiness controller (NodeReadinessRule)",
  };
  const checks = capabilitiesOf(engine, install).healthChecks;
  return {
    settings,
    ...(checks && { checks }),
    owner: configured.gate ? owners[configured.gate.owner] : "Cedana's manager",
    controller: { namespace: configured.namespace, name: configured.leaseName },
  };
}

/** The objects that the gate would read for one node. */
export interface Observed {
  readonly node: GateNode;
  /** Manager of the last write of the taints, from `managedFields`. */
  readonly taintsBy?: { readonly manager: string; readonly time?: string };
  readonly pods: readonly AgentPod[];
  readonly daemonSets: ReadonlyMap<AgentSettings, AgentDaemonSet>;
}

/**
 * Reads a node, the agents' DaemonSets, and the agents' pods of the node, by plain GETs.
 * @returns undefined if there is no such node
 * @throws ApiError if the API server rejects a request
 */
export async function observe(
  client: Client,
  settings: GateSettings,
  name: string,
): Promise<Observed | undefined> {
  const kinds = gateKinds(settings);
  const raw = await client.get(RAW_NODE, { name });
  if (raw === undefined) return undefined;
  const daemonSets = new Map<AgentSettings, AgentDaemonSet>();
  for (const agent of settings.agents) {
    const { namespace, daemonSet } = agent;
    const found = await client.get(kinds.daemonSets, { namespace, name: daemonSet });
    if (found !== undefined) daemonSets.set(agent, found);
  }
  const taintsBy = writerOfTaints(raw);
  return {
    node: kinds.nodes.project(raw),
    ...(taintsBy && { taintsBy }),
    pods: await podsOf(client, settings, name),
    daemonSets,
  };
}

const RAW_NODE = rawKind("v1", "Node", "nodes");

/** Lists the agents' pods on the node, and those created for it that are not scheduled yet. */
async function podsOf(client: Client, settings: GateSettings, name: string): Promise<readonly AgentPod[]> {
  const { pods: kind } = gateKinds(settings);
  const labelSelector = Object.entries(settings.podSelector)
    .map(([key, value]) => `${key}=${value}`)
    .join(",");
  const pods: AgentPod[] = [];
  for (const namespace of new Set(settings.agents.map((agent) => agent.namespace))) {
    for (const fieldSelector of [`spec.nodeName=${name}`, "spec.nodeName="]) {
      pods.push(...(await client.list(kind, { namespace, labelSelector, fieldSelector })));
    }
  }
  return pods.filter(({ nodeName }) => nodeName === name);
}

interface ManagedFields {
  readonly manager?: string;
  readonly time?: string;
  readonly fieldsV1?: { readonly "f:spec"?: { readonly "f:taints"?: unknown } };
}

/** Returns the manager that owns the taints, from `managedFields`. */
function writerOfTaints(raw: Json): Observed["taintsBy"] {
  const { metadata } = raw as unknown as { metadata: { managedFields?: readonly ManagedFields[] } };
  const entry = metadata.managedFields?.find(
    ({ fieldsV1 }) => fieldsV1?.["f:spec"]?.["f:taints"] !== undefined,
  );
  if (entry?.manager === undefined) return undefined;
  return { manager: entry.manager, ...(entry.time !== undefined && { time: entry.time }) };
}
