import { nodeLabelValue } from "../../api";
import type { FakeApi, FakeRequest, Stored } from "../../testbed/fake-api";
import {
  checkpointOf,
  makeReady,
  nodeName,
  NODES,
  putNode,
  putOthers,
} from "../../testbed/simulated-install";
import { Random, SEED } from "../../testbed/random";
import {
  CLUSTER_POLICIES,
  namespaceOf,
  NODE_COUNT,
  pod,
  podName,
  PODS,
  POLICIES,
  policiesFor,
  REPLICA_SETS,
  REPLICAS,
  replicaSet,
  replicaSetOf,
  workloadsFor,
  type PolicyGiven,
  type Workload,
} from "./objects";

const GROUP = "/apis/automation.cedana.ai/v1alpha1";
const SYSTEM = `${GROUP}/namespaces/cedana-system`;
const REQUESTS = `${SYSTEM}/nodecheckpoints`;
const WATCHES = `${SYSTEM}/nodememorywatches`;
const DIGEST = `sha256:${"a".repeat(64)}`;
/** Time between two rollouts of a workload, whose pods are replaced one after the other. */
const ROLLOUT_MS = 2500;
/** Time between two pods of a rollout. */
const REPLACEMENT_MS = 1000;
/** Time from the creation of a pod until it runs. */
const START_MS = 4000;
/** Time between two changes of the status of a pod: a restart of a container. */
const RESTART_MS = 500;
/** Time between two reports of a node. Kubelets report each 5 minutes. */
const NODE_MS = (5 * 60_000) / NODE_COUNT;
/** Time between two requests of users. */
const REQUEST_MS = 5000;
/** Time between two crossings of memory. */
const CROSSING_MS = 2000;
/** Time that the agent of a node needs for a checkpoint. */
const CHECKPOINT_MS = [1000, 6000] as const;

const COMPACTION_MS = 10_000;
/** Number of compactions for which writes are kept. It covers the time between two bookmarks of a watch, and the first list. */
const COMPACTIONS_KEPT = 18;

/** A Checkpoint that a policy created. */
export interface Start {
  readonly policy: string;
  readonly namespace: string;
  readonly pod: string;
  /** When it was due, ms since the epoch. */
  readonly dueMs: number;
}

/** Changes a simulated cluster as its users, kubelets and agents do. */
export class Cluster {
  /** Checkpoints that policies created since the last `take`. */
  private starts: Start[] = [];
  private readonly random = new Random(SEED);
  private readonly workloads: readonly Workload[];
  private readonly policies: readonly PolicyGiven[];
  private readonly timers = new Set<NodeJS.Timeout>();
  private requests = new Map<string, number>();
  private changes = 0;
  private created = 0;

  constructor(
    private readonly api: FakeApi,
    counts: {
      readonly policies: number;
      readonly pods: number;
      readonly checkpoints: number;
      readonly factor: number;
    },
  ) {
    this.workloads = workloadsFor(counts.pods);
    this.policies = policiesFor(counts.policies, this.workloads, counts.factor);
    putOthers(api, 0, 0);
    for (let index = 0; index < NODE_COUNT; index++) {
      putNode(api, index);
      makeReady(api, index);
    }
    const namespaces = new Set(this.workloads.map(({ namespace }) => namespace));
    for (const name of namespaces)
      api.put("/api/v1/namespaces", {
        metadata: { name, labels: { tenant: `${Number(name.split("-")[1]) % 7}` } },
      } as never);
    const since = "2026-01-01T00:00:00Z";
    for (const workload of this.workloads) {
      api.put(REPLICA_SETS, replicaSet(workload) as never);
      for (let replica = 0; replica < REPLICAS; replica++)
        api.put(PODS, pod(workload, replica, since) as never);
    }
    for (let index = 0; index < counts.checkpoints; index++) this.putCheckpoint(index, namespaces.size);
    for (const policy of this.policies) this.putPolicy(policy);
    api.compact();
  }

  /** Answers requests of the controller, as the agents of the nodes do. */
  answer(): void {
    this.api.before = (request) => this.before(request);
    this.api.after = (request) => this.after(request);
    // The server in memory keeps all requests and writes. A watch that begins again needs the last ones.
    const versions: number[] = [];
    this.every(COMPACTION_MS, () => {
      this.api.log.length = 0;
      versions.push(this.api.version);
      if (versions.length > COMPACTIONS_KEPT) this.api.compact(versions.shift());
    });
  }

  /**
   * Changes pods, nodes, readings and requests from now on.
   * @param checkpointsPerSecond Checkpoints that users create of any pods
   */
  change(checkpointsPerSecond: number): void {
    if (checkpointsPerSecond > 0) this.every(1000 / checkpointsPerSecond, () => this.checkpoint());
    this.every(ROLLOUT_MS, () => this.rollOut(this.random.pick(this.workloads)));
    this.every(RESTART_MS, () => this.restart());
    this.every(NODE_MS, () => this.reportNode());
    this.every(REQUEST_MS, () => this.request());
    this.every(CROSSING_MS, () => this.cross());
  }

  stop(): void {
    for (const timer of this.timers) clearInterval(timer);
  }

  /** Returns what happened since the last call. */
  take(): {
    readonly starts: readonly Start[];
    /** Number of requests of the controller, by method and kind. */
    readonly requests: ReadonlyMap<string, number>;
    readonly changes: number;
  } {
    const { starts, requests, changes } = this;
    this.starts = [];
    this.requests = new Map();
    this.changes = 0;
    return { starts, requests, changes };
  }

  /** Policies whose status the controller has written, and the pods that they match. */
  reported(): { readonly policies: number; readonly matched: number } {
    let [policies, matched] = [0, 0];
    for (const { name, namespace } of this.policies) {
      const status = this.api.get(pathOf(name, namespace))?.["status"] as
        | { matchedPods?: number }
        | undefined;
      if (status === undefined) continue;
      policies++;
      matched += status.matchedPods ?? 0;
    }
    return { policies, matched };
  }

  private putPolicy({ name, namespace, spec }: PolicyGiven): void {
    const metadata = { name, ...(namespace === undefined ? {} : { namespace }) };
    this.api.put(namespace === undefined ? CLUSTER_POLICIES : POLICIES, { metadata, spec } as never);
  }

  /** Puts a Checkpoint that has ended. */
  private putCheckpoint(index: number, namespaces: number): void {
    const { metadata, ...rest } = checkpointOf(index);
    const namespace = namespaceOf(index % namespaces);
    this.api.putWithUID(`${GROUP}/checkpoints`, metadata.uid, {
      ...rest,
      metadata: { ...metadata, namespace },
    });
  }

  private count(what: string): void {
    this.requests.set(what, (this.requests.get(what) ?? 0) + 1);
  }

  private every(ms: number, run: () => void): void {
    this.timers.add(setInterval(run, ms));
  }

  private later(ms: number, run: () => void): void {
    const timer = setTimeout(() => {
      this.timers.delete(timer);
      run();
    }, ms);
    this.timers.add(timer);
  }

  private edit(path: string, change: (object: Stored) => void): void {
    if (this.api.get(path) === undefined) return;
    this.api.edit(path, change);
    this.changes++;
  }

  private before({ method, path, body }: FakeRequest): void {
    if (method !== "WATCH") this.count(`${method} ${kindIn(path)}`);
    if (method !== "POST" || !path.endsWith("/checkpoints")) return;
    const { metadata, spec } = contentOf(body) as Stored & {
      readonly spec: { readonly podRef: { name: string } };
    };
    const { namespace = "", labels = {}, annotations = {} } = metadata;
    const [due, policy] = [annotations["cedana.ai/policy-due"], labels["cedana.ai/policy"]];
    if (due === undefined || policy === undefined) return;
    this.starts.push({ policy, namespace, pod: spec.podRef.name, dueMs: Date.parse(due) });
  }

  private after({ method, path, body }: FakeRequest): void {
    if (method === "POST" && path === REQUESTS) {
      const { name } = contentOf(body).metadata;
      const [from, to] = CHECKPOINT_MS;
      this.later(100, () => this.report(`${REQUESTS}/${name}`, "Checkpointing"));
      this.later(this.random.between(from, to), () => this.complete(`${REQUESTS}/${name}`));
    }
    if (method === "PATCH" && path.startsWith(`${WATCHES}/`) && !path.endsWith("/status"))
      this.later(this.random.between(0, 2000), () => this.observe(path));
  }

  /** Reports progress, as an agent does. */
  private report(path: string, reason: string): void {
    this.edit(path, (stored) => {
      stored["status"] = {
        conditions: [{ type: "Progressing", status: "True", reason, message: "in progress" }],
      };
    });
  }

  private complete(path: string): void {
    this.edit(path, (stored) => {
      stored["status"] = {
        conditions: [{ type: "Ready", status: "True", reason: "CheckpointCompleted", message: "done" }],
        image: `registry.example.com/checkpoints@${DIGEST}`,
        digest: DIGEST,
        sizeBytes: 17_829_376,
        frozenMilliseconds: 151,
        architecture: "amd64",
        containers: [{ name: "app" }, { name: "proxy" }],
      };
    });
  }

  /** The agent of the node reads the watches. */
  private observe(path: string): void {
    this.edit(path, (stored) => {
      stored["status"] = { ...(stored["status"] as object), observedGeneration: stored.metadata.generation };
    });
  }

  private rollOut(workload: Workload): void {
    const old = { ...workload };
    workload.revision++;
    this.api.put(REPLICA_SETS, replicaSet(workload) as never);
    const next = { ...workload };
    for (let replica = 0; replica < REPLICAS; replica++)
      this.later(replica * REPLACEMENT_MS, () => this.replace(old, next, replica));
    this.later(REPLICAS * REPLACEMENT_MS + START_MS, () => {
      this.api.remove(`/apis/apps/v1/namespaces/${old.namespace}/replicasets/${replicaSetOf(old)}`);
      this.changes++;
    });
  }

  /** Replaces a pod, with the changes that an API server reports of it. */
  private replace(old: Workload, next: Workload, replica: number): void {
    const pathFor = (workload: Workload) =>
      `/api/v1/namespaces/${workload.namespace}/pods/${podName(workload, replica)}`;
    this.api.put(PODS, pod(next, replica, undefined) as never);
    this.changes++;
    this.later(START_MS, () => {
      const since = new Date().toISOString().replace(/\.\d+Z$/, "Z");
      const { status } = pod(next, replica, since) as { status: unknown };
      this.edit(pathFor(next), (stored) => (stored["status"] = status));
      this.edit(pathFor(old), (stored) => (stored.metadata.deletionTimestamp = since));
    });
    this.later(START_MS + 2000, () => {
      this.api.remove(pathFor(old));
      this.changes++;
    });
  }

  private anyPod(): string {
    const workload = this.random.pick(this.workloads);
    const replica = Math.floor(this.random.next() * REPLICAS);
    return `/api/v1/namespaces/${workload.namespace}/pods/${podName(workload, replica)}`;
  }

  /** Restarts a container of a pod. */
  private restart(): void {
    this.edit(this.anyPod(), (stored) => {
      const { containerStatuses } = stored["status"] as { containerStatuses: { restartCount: number }[] };
      const [first] = containerStatuses;
      if (first) first.restartCount++;
    });
  }

  private reportNode(): void {
    const path = `${NODES}/${nodeName(Math.floor(this.random.next() * NODE_COUNT))}`;
    this.edit(path, (stored) => {
      const { conditions } = stored["status"] as { conditions: { lastHeartbeatTime: string }[] };
      for (const condition of conditions) condition.lastHeartbeatTime = new Date().toISOString();
    });
  }

  /** A user creates a Checkpoint. */
  private checkpoint(): void {
    const [, namespace, pod] = /namespaces\/([^/]+)\/pods\/(.+)$/.exec(this.anyPod()) ?? [];
    const metadata = { name: `user-${this.created++}`, namespace };
    this.api.put(`${GROUP}/checkpoints`, { metadata, spec: { podRef: { name: pod } } } as never);
  }

  /** A user requests a Checkpoint of a pod that a policy for requests selects. */
  private request(): void {
    const manual = this.policies.filter(({ name }) => name.startsWith("manual-"));
    if (manual.length === 0) return;
    const { namespace, spec } = this.random.pick(manual);
    const app = /app-\d+/.exec(JSON.stringify(spec))?.[0];
    const workload = this.workloads.find((one) => one.namespace === namespace && one.name === app);
    if (!workload) return;
    this.edit(`/api/v1/namespaces/${workload.namespace}/pods/${podName(workload, 0)}`, (stored) => {
      const requested = { "cedana.ai/checkpoint-requested-at": new Date().toISOString() };
      stored.metadata.annotations = { ...stored.metadata.annotations, ...requested };
    });
  }

  /** The agent of a node records that a watch crossed its threshold. */
  private cross(): void {
    const path = `${WATCHES}/${nodeLabelValue(nodeName(Math.floor(this.random.next() * NODE_COUNT)))}`;
    this.edit(path, (stored) => {
      const { watches } = stored["spec"] as { watches: readonly { id: string }[] };
      const { id } = this.random.pick(watches);
      const { crossings = [] } = (stored["status"] ?? {}) as { crossings?: { id: string }[] };
      const others = crossings.filter((one) => one.id !== id);
      const crossing = { id, time: new Date().toISOString(), rearmed: false };
      stored["status"] = { ...(stored["status"] as object), crossings: [...others, crossing] };
    });
  }
}

function contentOf(body: FakeRequest["body"]): Stored {
  if (!body) throw new Error("a request to create an object has no body");
  return body.content as Stored;
}

/** Returns the plural of the kind in a path, and the subresource. */
function kindIn(path: string): string {
  const parts = path.split("/").slice(path.startsWith("/api/") ? 3 : 4);
  const [kind, , subresource] = parts[0] === "namespaces" && parts.length > 2 ? parts.slice(2) : parts;
  return subresource === undefined ? `${kind}` : `${kind}/${subresource}`;
}

function pathOf(name: string, namespace: string | undefined): string {
  return namespace === undefined
    ? `${CLUSTER_POLICIES}/${name}`
    : `${GROUP}/namespaces/${namespace}/checkpointpolicies/${name}`;
}
