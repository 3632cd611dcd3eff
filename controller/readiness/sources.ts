import type { KubernetesClient } from "../../kube/client";
import { keyOf, Reflector, Store, type Logger, type Metrics } from "../../kube/runtime";
import {
  type AgentDaemonSet,
  type AgentPod,
  type GateNode,
  projectDaemonSet,
  projectNode,
  projectPod,
} from "./rules";
import { type AgentSettings, type GateSettings } from "../../config/programs/controller";

/** The stores that the gate reads. Pods and DaemonSets have one a namespace. */
export interface Stores {
  readonly nodes: Store<GateNode>;
  readonly pods: ReadonlyMap<string, Store<AgentPod>>;
  readonly daemonSets: ReadonlyMap<string, Store<AgentDaemonSet>>;
}

const BY_NODE = "node";

export function createStores({ agents }: Pick<GateSettings, "agents">): Stores {
  const namespaces = [...new Set(agents.map(({ namespace }) => namespace))];
  return {
    nodes: new Store<GateNode>(),
    pods: new Map(
      namespaces.map((name) => [name, new Store<AgentPod>({ [BY_NODE]: (pod) => [pod.nodeName] })]),
    ),
    daemonSets: new Map(namespaces.map((name) => [name, new Store<AgentDaemonSet>()])),
  };
}

/** The agents' pods of a node. */
export function podsOf({ pods }: Stores, nodeName: string): readonly AgentPod[] {
  return [...pods.values()].flatMap((store) => store.byIndex(BY_NODE, nodeName));
}

export function daemonSetOf(
  { daemonSets }: Stores,
  { namespace, daemonSet }: AgentSettings,
): AgentDaemonSet | undefined {
  return daemonSets.get(namespace)?.get(keyOf({ metadata: { namespace, name: daemonSet } }));
}

/**
 * What fills the stores. All nodes are followed: one that the selector matches no more may still carry our taint. Of pods
 * and DaemonSets only the agents' are.
 */
export function createReflectors(
  stores: Stores,
  settings: GateSettings,
  base: { readonly client: KubernetesClient; readonly log: Logger; readonly metrics: Metrics },
) {
  const labelSelector = Object.entries(settings.podSelector)
    .map(([key, value]) => `${key}=${value}`)
    .join(",");
  const nodes = new Reflector<GateNode>({
    ...base,
    name: "readiness/nodes",
    path: "/api/v1/nodes",
    project: (raw) => projectNode(raw, settings),
    store: stores.nodes,
  });
  const pods = [...stores.pods].map(
    ([namespace, store]) =>
      new Reflector<AgentPod>({
        ...base,
        name: `readiness/pods/${namespace}`,
        path: `/api/v1/namespaces/${namespace}/pods`,
        query: { labelSelector },
        project: (raw) => projectPod(raw, settings),
        store,
      }),
  );
  const daemonSets = [...stores.daemonSets].map(
    ([namespace, store]) =>
      new Reflector<AgentDaemonSet>({
        ...base,
        name: `readiness/daemonsets/${namespace}`,
        path: `/apis/apps/v1/namespaces/${namespace}/daemonsets`,
        query: { labelSelector },
        project: (raw) => projectDaemonSet(raw, settings),
        store,
      }),
  );
  return [nodes, ...pods, ...daemonSets];
}
