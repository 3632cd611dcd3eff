/** The simulated cluster: workloads with their pods, and policies that select them. */
import { nodeName } from "../../testbed/simulated-install";
import { Random, SEED } from "../../testbed/random";

export const POLICIES = "/apis/automation.cedana.ai/v1alpha1/checkpointpolicies";
export const CLUSTER_POLICIES = "/apis/automation.cedana.ai/v1alpha1/clustercheckpointpolicies";
export const REPLICA_SETS = "/apis/apps/v1/replicasets";
export const PODS = "/api/v1/pods";

export const NODE_COUNT = 1000;
/** Pods of a workload. */
export const REPLICAS = 10;
/** Workloads of a namespace. */
const WORKLOADS = 20;
const TIERS = ["web", "worker", "db", "batch"] as const;
const INTERVALS = [300, 600, 900, 1800, 3600] as const;
const FIELDS = "f:metadata f:labels f:ownerReferences f:spec ".repeat(12);
const DIGEST = "0123456789abcdef".repeat(4);

/** A Deployment with its current ReplicaSet. */
export interface Workload {
  readonly index: number;
  readonly namespace: string;
  readonly name: string;
  readonly tier: (typeof TIERS)[number];
  /** Incremented by each rollout. */
  revision: number;
}

export const namespaceOf = (index: number) => `team-${index}`;

export function workloadsFor(pods: number): readonly Workload[] {
  return Array.from({ length: Math.ceil(pods / REPLICAS) }, (_, index) => ({
    index,
    namespace: namespaceOf(Math.floor(index / WORKLOADS)),
    name: `app-${index % WORKLOADS}`,
    tier: TIERS[index % TIERS.length] as Workload["tier"],
    revision: 1,
  }));
}

const hashOf = ({ index, revision }: Workload) =>
  `${(index + 1000).toString(36)}${(revision * 7919).toString(36)}`;
export const replicaSetOf = (workload: Workload) => `${workload.name}-${hashOf(workload)}`;
const uidOf = (workload: Workload) => `rs-${workload.index}-${workload.revision}-4c1e-8f0a-0123456789ab`;

export function replicaSet(workload: Workload): object {
  return {
    metadata: { name: replicaSetOf(workload), namespace: workload.namespace, labels: labelsOf(workload) },
    spec: { replicas: REPLICAS },
    status: { replicas: REPLICAS, readyReplicas: REPLICAS },
  };
}

function labelsOf(workload: Workload): Record<string, string> {
  return {
    app: workload.name,
    tier: workload.tier,
    "app.kubernetes.io/managed-by": "Helm",
    "pod-template-hash": hashOf(workload),
  };
}

export const podName = (workload: Workload, replica: number) => `${replicaSetOf(workload)}-p${replica}`;

/** Returns a pod: about 4 KiB of JSON, as an API server stores it. @param since when it began to run. Undefined: it is pending */
export function pod(workload: Workload, replica: number, since: string | undefined): object {
  const { namespace, tier } = workload;
  const isRunning = since !== undefined;
  const time = since ?? new Date().toISOString();
  return {
    metadata: {
      name: podName(workload, replica),
      namespace,
      generateName: `${replicaSetOf(workload)}-`,
      creationTimestamp: time,
      labels: labelsOf(workload),
      annotations: { "checksum/config": DIGEST },
      ownerReferences: [
        {
          apiVersion: "apps/v1",
          kind: "ReplicaSet",
          name: replicaSetOf(workload),
          uid: uidOf(workload),
          controller: true,
        },
      ],
      managedFields: ["kube-controller-manager", "kubelet"].map((manager) => ({
        manager,
        operation: "Update",
        apiVersion: "v1",
        time,
        fieldsType: "FieldsV1",
        // One text of the usual size: many small objects would stop the API server in memory for garbage collections.
        fieldsV1: { text: FIELDS },
      })),
    },
    spec: {
      nodeName: nodeName((workload.index * REPLICAS + replica) % NODE_COUNT),
      serviceAccountName: "default",
      containers: [
        {
          name: "app",
          image: `registry.example.com/${tier}:v1.${workload.revision}.0`,
          env: Array.from({ length: 3 }, (_, index) => ({ name: `VARIABLE_${index}`, value: "some value" })),
          resources: { limits: { memory: "2Gi" }, requests: { memory: "1Gi", cpu: "500m" } },
          volumeMounts: [{ name: "data", mountPath: "/data" }],
        },
        { name: "proxy", image: "registry.example.com/proxy:v3", resources: { limits: { memory: "256Mi" } } },
      ],
      volumes: [{ name: "data", emptyDir: {} }],
    },
    status: {
      phase: isRunning ? "Running" : "Pending",
      qosClass: "Burstable",
      podIP: "10.0.0.1",
      conditions: ["Initialized", "Ready", "ContainersReady", "PodScheduled"].map((type) => ({
        type,
        status: isRunning || type === "PodScheduled" ? "True" : "False",
        lastTransitionTime: time,
      })),
      containerStatuses: ["app", "proxy"].map((name) => ({
        name,
        ready: isRunning,
        started: isRunning,
        restartCount: 0,
        image: `registry.example.com/${name}`,
        imageID: `registry.example.com/${name}@sha256:${DIGEST}`,
        state: isRunning ? { running: { startedAt: time } } : { waiting: { reason: "ContainerCreating" } },
      })),
    },
  };
}

const EXPRESSION =
  "pod.spec.containers.exists(c, has(c.resources) && has(c.resources.limits) && 'memory' in c.resources.limits) && pod.status.containerStatuses.all(s, s.restartCount < 5)";

/** What a policy selects: all pods of some workloads, by one of the filters. */
function filterOf(index: number, app: string): object {
  switch (index % 5) {
    case 0:
      return { owners: [{ kind: "Deployment", names: [app] }] };
    case 1:
      return { pods: { matchLabels: { app } }, expression: EXPRESSION };
    case 2:
      return {
        pods: { matchExpressions: [{ key: "app", operator: "In", values: [app] }] },
        containers: ["app"],
      };
    case 3:
      return { pods: { matchLabels: { app } }, minRunningSeconds: 60 };
    default:
      return { pods: { matchLabels: { app } }, restarts: { max: 5 } };
  }
}

export interface PolicyGiven {
  /** Begins with the name of its trigger. */
  readonly name: string;
  /** Undefined: it selects from all namespaces. */
  readonly namespace?: string;
  readonly spec: object;
}

/**
 * Returns policies. Of each 50 there are 27 with an interval, 6 with cron, 6 for memory, 5 for starts, 5 for requests of users
 * and one that deletes Checkpoints; each 50th selects from all namespaces, by a label.
 * @param factor of the intervals, which are 5 to 60 minutes
 */
export function policiesFor(
  count: number,
  workloads: readonly Workload[],
  factor: number,
): readonly PolicyGiven[] {
  const random = new Random(SEED);
  const namespaces = Math.ceil(workloads.length / WORKLOADS);
  return Array.from({ length: count }, (_, index) => {
    const kind = index % 50;
    const namespace = namespaceOf(index % namespaces);
    const app = `app-${Math.floor(random.next() * WORKLOADS)}`;
    const common = { filter: filterOf(index, app), action: { checkpoint: {} } };
    const named = (trigger: string, spec: object) => ({
      name: `${trigger}-${index}`,
      namespace,
      spec: {
        // So that no limit delays what is measured: the time until a Checkpoint is requested.
        minSpacingSeconds: trigger === "memory" ? 0 : 60,
        maxInFlight: 10,
        deadlineSeconds: 600,
        ...common,
        ...spec,
      },
    });
    if (kind === 0) {
      const filter = {
        namespaceSelector: { matchLabels: { tenant: `${index % 7}` } },
        pods: { matchLabels: { tier: "db" } },
      };
      const { namespace: _, ...cluster } = named("memory", { trigger: { memory: { percent: 90 } }, filter });
      return cluster;
    }
    if (kind === 1)
      return named("delete", {
        trigger: { heartbeat: { intervalSeconds: 3600 } },
        action: { deleteCheckpoints: { keepLast: 3 } },
        filter: undefined,
      });
    if (kind < 7) return named("memory", { trigger: { memory: { percent: 80, forSeconds: 10 } } });
    if (kind < 12) return named("startup", { trigger: { startup: { readySeconds: 30 } } });
    if (kind < 17) return named("manual", { trigger: { manual: {} } });
    if (kind < 23) {
      const [minute, hour] = [Math.floor(random.next() * 60), Math.floor(random.next() * 24)];
      const cron = kind < 20 ? `${minute} * * * *` : `${minute} ${hour} * * *`;
      return named("cron", {
        trigger: { heartbeat: { cron, timeZone: "Europe/Berlin", jitterSeconds: 300 } },
      });
    }
    return named("interval", {
      trigger: { heartbeat: { intervalSeconds: random.pick(INTERVALS) * factor } },
    });
  });
}
