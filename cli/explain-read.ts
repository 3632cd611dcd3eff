import { ApiError, type Json, type KubernetesClient } from "../kube/client";
import {
  pathOfNode,
  projectDaemonSet,
  projectNode,
  projectPod,
  type AgentDaemonSet,
  type AgentPod,
  type GateNode,
} from "../controller/readiness/rules";
import { type AgentSettings, type GateSettings } from "../config/programs/controller";

type Client = Pick<KubernetesClient, "send">;

/** What the gate would see of one node. */
export interface Observed {
  readonly node: GateNode;
  /** Who wrote the taints last, from `managedFields`. */
  readonly taintsBy?: { readonly manager: string; readonly time?: string };
  readonly pods: readonly AgentPod[];
  readonly daemonSets: ReadonlyMap<AgentSettings, AgentDaemonSet>;
}

/**
 * Reads a node, the agents' DaemonSets, and the agents' pods of the node, by plain GETs.
 * @returns undefined if there is no such node
 * @throws ApiError as the API server refuses it
 */
export async function observe(
  client: Client,
  settings: GateSettings,
  name: string,
): Promise<Observed | undefined> {
  const raw = await get(client, pathOfNode(name));
  if (raw === undefined) return undefined;
  const daemonSets = new Map<AgentSettings, AgentDaemonSet>();
  for (const agent of settings.agents) {
    const path = `/apis/apps/v1/namespaces/${agent.namespace}/daemonsets/${agent.daemonSet}`;
    const daemonSet = await get(client, path);
    if (daemonSet !== undefined) daemonSets.set(agent, projectDaemonSet(daemonSet, settings));
  }
  const taintsBy = writerOfTaints(raw);
  return {
    node: projectNode(raw, settings),
    ...(taintsBy && { taintsBy }),
    pods: await podsOf(client, settings, name),
    daemonSets,
  };
}

/** The agents' pods on the node, and those made for it that are not scheduled yet. */
async function podsOf(client: Client, settings: GateSettings, name: string): Promise<readonly AgentPod[]> {
  const labelSelector = Object.entries(settings.podSelector)
    .map(([key, value]) => `${key}=${value}`)
    .join(",");
  const pods: AgentPod[] = [];
  for (const namespace of new Set(settings.agents.map((agent) => agent.namespace))) {
    for (const fieldSelector of [`spec.nodeName=${name}`, "spec.nodeName="]) {
      const query = { labelSelector, fieldSelector };
      const path = `/api/v1/namespaces/${namespace}/pods`;
      const list = (await client.send("GET", path, undefined, { query })) as { items: Json[] };
      pods.push(...list.items.map((item) => projectPod(item, settings)));
    }
  }
  return pods.filter(({ nodeName }) => nodeName === name);
}

async function get(client: Client, path: string): Promise<Json | undefined> {
  try {
    return (await client.send("GET", path)) as Json;
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return undefined;
    throw error;
  }
}

interface ManagedFields {
  readonly manager?: string;
  readonly time?: string;
  readonly fieldsV1?: { readonly "f:spec"?: { readonly "f:taints"?: unknown } };
}

function writerOfTaints(raw: Json): Observed["taintsBy"] {
  const { metadata } = raw as unknown as { metadata: { managedFields?: readonly ManagedFields[] } };
  const entry = metadata.managedFields?.find(
    ({ fieldsV1 }) => fieldsV1?.["f:spec"]?.["f:taints"] !== undefined,
  );
  if (entry?.manager === undefined) return undefined;
  return { manager: entry.manager, ...(entry.time !== undefined && { time: entry.time }) };
}
