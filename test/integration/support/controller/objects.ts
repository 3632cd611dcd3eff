/** Objects of a gate under test: simulated nodes, two agents, workloads. */
import type { Observed } from "./watch";

export interface Taint {
  readonly key: string;
  readonly value?: string;
  readonly effect: string;
  readonly timeAdded?: string;
}

export interface Condition {
  readonly type: string;
  readonly status: string;
  readonly reason?: string;
  readonly message?: string;
}

export interface Node extends Observed {
  readonly spec: { readonly taints?: readonly Taint[] };
  readonly status: {
    readonly conditions?: readonly Condition[];
    readonly nodeInfo?: { readonly bootID?: string };
  };
}

export interface Pod extends Observed {
  readonly spec: { readonly nodeName?: string };
  readonly status: { readonly phase?: string; readonly conditions?: readonly Condition[] };
}

export interface DaemonSet extends Observed {
  readonly spec: {
    readonly template: { readonly metadata: { readonly annotations?: Readonly<Record<string, string>> } };
  };
}

export const TAINT: Taint = { key: "cedana.ai/not-ready", value: "true", effect: "NoSchedule" };
export const CONDITION = "CedanaReady";
export const HASH = "checksum/config";
/** Annotation that sets the readiness of simulated pods and nodes (test/integration/kwok.yaml). */
export const READY = "testbed/ready";
export const AGENTS = ["helper", "health-check"] as const;
export type Agent = (typeof AGENTS)[number];

export const daemonSetName = (agent: Agent): string => `cedana-${agent}`;

/** Label of the nodes that a gate selects. */
export const GATE = "gate.cedana.test/name";
/** Label of all objects of a gate's test, selected by the gate or not. */
export const CREATED_FOR = "gate.cedana.test/created-for";

export function nodeObject(
  name: string,
  gate: string,
  { taints = [], labels = {}, bare = false }: NodeOptions = {},
): object {
  const now = new Date().toISOString().replace(/\.\d+/, "");
  const resources = { cpu: "32", memory: "128Gi", "ephemeral-storage": "100Gi", pods: "110" };
  return {
    apiVersion: "v1",
    kind: "Node",
    metadata: {
      name,
      annotations: { "kwok.x-k8s.io/node": "fake" },
      labels: {
        type: "kwok",
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
        // Otherwise the node lifecycle controller adds them.
        "beta.kubernetes.io/os": "linux",
        "beta.kubernetes.io/arch": "amd64",
        [GATE]: gate,
        [CREATED_FOR]: gate,
        ...labels,
      },
    },
    spec: { taints: bare ? taints : [TAINT, ...taints] },
    status: {
      phase: "Running",
      conditions: [
        {
          type: "Ready",
          status: "True",
          reason: "KubeletReady",
          lastHeartbeatTime: now,
          lastTransitionTime: now,
        },
      ],
      capacity: resources,
      allocatable: resources,
      nodeInfo: {
        architecture: "amd64",
        operatingSystem: "linux",
        bootID: "0e9f2c5e-0000-4000-8000-000000000001",
        containerRuntimeVersion: "kwok",
      },
    },
  };
}

export interface NodeOptions {
  /** In addition to the gate's taint. */
  readonly taints?: readonly Taint[];
  readonly labels?: Readonly<Record<string, string>>;
  /** Without the gate's taint. */
  readonly bare?: boolean;
}

export const agentLabels = (gate: string): Readonly<Record<string, string>> => ({
  "app.kubernetes.io/name": "cedana",
  "app.kubernetes.io/instance": gate,
});

/** @param ready annotation `testbed/ready` of the pods; undefined for the simulator's default */
export function daemonSetObject(
  agent: Agent,
  gate: string,
  namespace: string,
  { hash, ready }: { readonly hash: string; readonly ready?: "true" | "false" },
): object {
  const labels = { ...agentLabels(gate), "app.kubernetes.io/component": agent };
  return {
    apiVersion: "apps/v1",
    kind: "DaemonSet",
    metadata: { name: daemonSetName(agent), namespace, labels },
    spec: {
      selector: { matchLabels: labels },
      template: {
        metadata: { labels, annotations: { [HASH]: hash, ...(ready ? { [READY]: ready } : {}) } },
        spec: {
          automountServiceAccountToken: false,
          terminationGracePeriodSeconds: 1,
          nodeSelector: { [GATE]: gate },
          tolerations: [{ operator: "Exists" }],
          containers: [{ name: agent, image: "localhost/agent:1" }],
        },
      },
    },
  };
}

/** A pod without tolerations for all nodes of the gate, or for one of them. */
export function workloadObject(name: string, gate: string, namespace: string, node?: string): object {
  const nodeSelector = { [GATE]: gate, ...(node === undefined ? {} : { "kubernetes.io/hostname": node }) };
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace, labels: { workload: "true" } },
    spec: {
      automountServiceAccountToken: false,
      terminationGracePeriodSeconds: 0,
      nodeSelector,
      containers: [{ name: "main", image: "localhost/workload:1" }],
    },
  };
}

export const hasTaint = ({ spec: { taints = [] } }: Node): boolean =>
  taints.some(({ key }) => key === TAINT.key);
export const conditionOf = ({ status: { conditions = [] } }: Node): Condition | undefined =>
  conditions.find(({ type }) => type === CONDITION);
export const isReady = ({ metadata, status }: Pod): boolean =>
  metadata.deletionTimestamp === undefined &&
  (status.conditions ?? []).some(({ type, status: is }) => type === "Ready" && is === "True");
export const agentOf = ({ metadata }: Observed): Agent | undefined =>
  AGENTS.find((agent) => agent === metadata.labels?.["app.kubernetes.io/component"]);
export const isWorkload = ({ metadata }: Pod): boolean => metadata.labels?.["workload"] === "true";
