import type { Json } from "../../../../kube/client";
import { Store, type EventInput, type Events } from "../../../../kube";
import { NodeSnapshots, onAffectedNode } from "../../../../controller/readiness/sources";
import {
  assess,
  installationOf,
  projectDaemonSet,
  projectNode,
  projectPod,
  updateHistory,
  updatePresences,
  type AgentDaemonSet,
  type AgentPod,
  type GateNode,
  type NodeHistory,
  type NodeSnapshot,
  type Taint,
} from "../../../../controller/readiness/rules";
import { type GateSettings } from "../../../../config/programs/controller";

export const NOW = Date.parse("2026-06-01T12:00:00Z");
export const OURS: Taint = { key: "cedana.ai/not-ready", value: "true", effect: "NoSchedule" };
export const NAMESPACE = "cedana-system";
export const SELECTED = { "cedana.ai/enabled": "true" };
export const AGENTS = ["helper", "health-check"] as const;
export type Agent = (typeof AGENTS)[number];

export function settings(changes: Partial<GateSettings> = {}): GateSettings {
  return {
    owner: "controller",
    taint: { key: OURS.key, value: "true", effect: "NoSchedule" },
    nodeSelector: SELECTED,
    agents: AGENTS.map((name) => ({ name, namespace: NAMESPACE, daemonSet: `cedana-${name}` })),
    podSelector: { "app.kubernetes.io/name": "cedana" },
    hashAnnotation: "checksum/config",
    retaint: false,
    explainAfterSeconds: 60,
    dryRun: false,
    ...changes,
  };
}

let versions = 0;
const time = (ms: number) => new Date(ms).toISOString().replace(/\.\d+Z$/, "Z");
const identity = (name: string, uid: string) => ({ name, uid, resourceVersion: String(++versions) });

interface NodeGiven {
  readonly name?: string;
  readonly uid?: string;
  readonly createdMs?: number;
  readonly labels?: Readonly<Record<string, string>>;
  readonly taints?: readonly Taint[];
  readonly deleting?: boolean;
  readonly condition?: { readonly status: string; readonly reason: string; readonly message?: string };
}

/** Returns a Node as the API server stores it. */
export function rawNode(given: NodeGiven = {}) {
  const { name = "n1", uid = "node-1", createdMs = NOW - 30_000, labels = SELECTED, taints = [OURS] } = given;
  return {
    metadata: {
      ...identity(name, uid),
      creationTimestamp: time(createdMs),
      labels: { ...labels, other: "label" },
      ...(given.deleting && { deletionTimestamp: time(NOW) }),
    },
    spec: { podCIDR: "10.0.0.0/24", ...(taints.length > 0 && { taints }) },
    status: {
      conditions: [
        {
          type: "Ready",
          status: "True",
          reason: "KubeletReady",
          message: "",
          lastTransitionTime: time(createdMs),
        },
        ...(given.condition
          ? [{ type: "CedanaReady", message: "", lastTransitionTime: time(createdMs), ...given.condition }]
          : []),
      ],
    },
  };
}

export function projected(raw: object): GateNode {
  return projectNode(raw as unknown as Json);
}

export function node(given: NodeGiven = {}): GateNode {
  return projected(rawNode(given));
}

interface PodGiven {
  readonly node?: string;
  readonly uid?: string;
  readonly hash?: string;
  readonly ready?: boolean;
  readonly createdMs?: number;
  readonly readySinceMs?: number;
  readonly deleting?: boolean;
  readonly owner?: string;
  readonly status?: object;
}

/** Returns a pod of an agent as the API server stores it: by default Ready with the current configuration. */
export function rawPod(agent: Agent, given: PodGiven = {}) {
  const { node = "n1", ready = true, createdMs = NOW - 20_000, readySinceMs = NOW - 10_000 } = given;
  return {
    metadata: {
      ...identity(`cedana-${agent}-${node}`, given.uid ?? `pod-${agent}-${node}`),
      namespace: NAMESPACE,
      creationTimestamp: time(createdMs),
      labels: { "app.kubernetes.io/name": "cedana" },
      annotations: { "checksum/config": given.hash ?? "h1" },
      ownerReferences: [{ uid: "other" }, { uid: given.owner ?? `ds-${agent}`, controller: true }],
      ...(given.deleting && { deletionTimestamp: time(NOW) }),
    },
    spec: { nodeName: node },
    status: {
      conditions: [
        { type: "Ready", status: ready ? "True" : "False", lastTransitionTime: time(readySinceMs) },
      ],
      ...given.status,
    },
  };
}

export const pod = (agent: Agent, given: PodGiven = {}) => projectPod(rawPod(agent, given), settings());

/** Returns a DaemonSet of an agent as the API server stores it. */
export function rawDaemonSet(
  agent: Agent,
  given: { hash?: string; deleting?: boolean; uid?: string; placement?: object } = {},
) {
  return {
    metadata: {
      ...identity(`cedana-${agent}`, given.uid ?? `ds-${agent}`),
      namespace: NAMESPACE,
      labels: { "app.kubernetes.io/name": "cedana" },
      ...(given.deleting && { deletionTimestamp: time(NOW) }),
    },
    spec: {
      template: {
        metadata: { annotations: { "checksum/config": given.hash ?? "h1" } },
        spec: given.placement ?? { nodeSelector: SELECTED, tolerations: [{ operator: "Exists" }] },
      },
    },
  };
}

export const daemonSet = (agent: Agent, given: Parameters<typeof rawDaemonSet>[1] = {}) =>
  projectDaemonSet(rawDaemonSet(agent, given) as unknown as Json, settings());

/** Returns snapshots of stores that the test fills, with both DaemonSets in them. */
export function snapshotsOn(given: GateSettings = settings()) {
  const stores = {
    nodes: new Store<GateNode>(),
    pods: new Store<AgentPod>(),
    daemonSets: new Store<AgentDaemonSet>(),
  };
  const snapshots = new NodeSnapshots(stores, given);
  // As in the gate: each change is evaluated.
  onAffectedNode(stores, (name) => snapshots.get(name));
  for (const agent of AGENTS) stores.daemonSets.set(daemonSet(agent));
  return { snapshots, ...stores };
}

export function eventsInto(list: EventInput[]): Events {
  return { record: (event) => void list.push(event) };
}

/** The inputs of a decision. By default a node that both agents are Ready on. */
export interface Situation {
  readonly node?: GateNode;
  readonly pods?: readonly AgentPod[];
  readonly daemonSets?: readonly (AgentDaemonSet | undefined)[];
  readonly settings?: GateSettings;
  readonly history?: Partial<NodeHistory>;
  readonly tooManyUnready?: boolean;
  readonly now?: number;
}

export const READY: readonly AgentPod[] = AGENTS.map((agent) => pod(agent));
export const BOTH: readonly AgentDaemonSet[] = AGENTS.map((agent) => daemonSet(agent));

/** Returns the snapshot of a node. */
export function snapshot(situation: Situation = {}): NodeSnapshot {
  const {
    now = NOW,
    settings: given = settings(),
    node: at = node(),
    pods = READY,
    daemonSets = BOTH,
  } = situation;
  const presences = updatePresences(
    given.agents,
    [],
    ({ name }) => daemonSets[name === "helper" ? 0 : 1],
    now,
  );
  const assessment = assess(at, presences, pods, given, now);
  const history = { ...updateHistory(undefined, at, assessment, given, now), ...situation.history };
  const installation = installationOf(presences, history.onceReady, now);
  const tooManyUnready = situation.tooManyUnready ?? false;
  return { node: at, assessment, history, installation, settings: given, now, tooManyUnready };
}
