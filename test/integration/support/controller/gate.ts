/** One readiness gate in the cluster: creates, changes and watches its nodes, agents and workloads. */
import { setTimeout as sleep } from "node:timers/promises";
import type { ControllerSettings, GateSettings } from "../../../../config/programs/controller";
import { ApiServer, eventually } from "../apiserver";
import {
  AGENTS,
  CONDITION,
  GATE,
  HASH,
  CREATED_FOR,
  READY,
  TAINT,
  agentLabels,
  agentOf,
  conditionOf,
  daemonSetName,
  daemonSetObject,
  hasTaint,
  isReady,
  nodeObject,
  workloadObject,
  type Agent,
  type DaemonSet,
  type Node,
  type NodeOptions,
  type Pod,
} from "./objects";
import { Watch, type Change, type Observed } from "./watch";

interface Lease extends Observed {
  readonly spec: {
    readonly holderIdentity?: string;
    readonly renewTime?: string;
    readonly leaseTransitions?: number;
  };
}

const MERGE = { contentType: "application/merge-patch+json" } as const;

/** Minimum time until a deleted node joins again: before, the simulator may still treat it as deleted and not start its pods. */
const REJOIN_DELAY_MS = 1000;

export class Gate {
  readonly namespace: string;
  readonly api: ApiServer;
  readonly nodes: Watch<Node>;
  readonly pods: Watch<Pod>;
  readonly daemonSets: Watch<DaemonSet>;
  readonly leases: Watch<Lease>;
  readonly #left = new Map<string, number>();

  constructor(
    readonly kubeconfig: string,
    /** A DNS label, used in the namespace, node names and labels. */
    readonly name: string,
  ) {
    this.namespace = `cedana-${name}`;
    this.api = new ApiServer(kubeconfig);
    const selector = { query: `labelSelector=${encodeURIComponent(`${CREATED_FOR}=${name}`)}` };
    this.nodes = new Watch(kubeconfig, "/api/v1/nodes", selector);
    this.pods = new Watch(kubeconfig, `/api/v1/namespaces/${this.namespace}/pods`);
    this.daemonSets = new Watch(kubeconfig, `/apis/apps/v1/namespaces/${this.namespace}/daemonsets`);
    this.leases = new Watch(kubeconfig, `/apis/coordination.k8s.io/v1/namespaces/${this.namespace}/leases`);
  }

  async open(): Promise<this> {
    await this.#deleteAll();
    await this.prepare();
    for (const watch of this.#watches) await watch.start();
    return this;
  }

  /** Creates a namespace and waits for its default ServiceAccount. */
  async prepare(namespace = this.namespace): Promise<void> {
    await this.create("/api/v1/namespaces", {
      apiVersion: "v1",
      kind: "Namespace",
      metadata: { name: namespace },
    });
    await eventually(30, "the namespace has its default ServiceAccount", async () => {
      const path = `/api/v1/namespaces/${namespace}/serviceaccounts/default`;
      return (await this.api.request("GET", path)).status === 200;
    });
  }

  /** Deletes all objects of the gate. */
  async close(): Promise<void> {
    for (const watch of this.#watches) await watch.close();
    await this.#deleteAll();
    this.api.close();
  }

  get #watches() {
    return [this.nodes, this.pods, this.daemonSets, this.leases];
  }

  /** Discards the changes so far, so that a long run does not fill the memory. */
  discardHistory(): void {
    for (const watch of this.#watches) watch.discardHistory();
  }

  /** Returns all changes so far as JSON lines, for the analysis of a failure. */
  history(): string {
    return this.#watches
      .flatMap<Change>(({ changes }) => changes)
      .toSorted((one, other) => one.revision - other.revision)
      .map(({ object: { metadata, ...object }, ...change }) => {
        const { managedFields: _fields, ...rest } = metadata;
        return `${JSON.stringify({ ...change, metadata: rest, ...object })}\n`;
      })
      .join("");
  }

  /** Returns the settings of a controller for this gate. */
  settings(gate: Partial<GateSettings> = {}): ControllerSettings {
    return {
      namespace: this.namespace,
      leaseName: "cedana-controller",
      log: { level: "debug" },
      gate: {
        owner: "controller",
        taint: { key: TAINT.key, value: TAINT.value ?? "", effect: "NoSchedule" },
        nodeSelector: { [GATE]: this.name },
        agents: AGENTS.map((agent) => ({
          name: agent,
          namespace: this.namespace,
          daemonSet: daemonSetName(agent),
        })),
        podSelector: agentLabels(this.name),
        hashAnnotation: HASH,
        retaint: false,
        explainAfterSeconds: 1,
        dryRun: false,
        ...gate,
      },
      checkpoints: false,
      restore: false,
    };
  }

  /** Applies both DaemonSets with this hash. Their pods are not Ready unless `ready` is "true". */
  async deployAgents(hash: string, ready?: "true" | "false"): Promise<void> {
    for (const agent of AGENTS) {
      const object = daemonSetObject(agent, this.name, this.namespace, { hash, ready: ready ?? "false" });
      const path = this.#daemonSetPath(agent);
      const query = "?fieldManager=gate-test&force=true";
      await this.#ok("PATCH", path + query, object, { contentType: "application/apply-patch+yaml" });
    }
  }

  /** Sets the update strategy of both DaemonSets. */
  async setUpdateStrategy(type: "RollingUpdate" | "OnDelete"): Promise<void> {
    const rollingUpdate = type === "OnDelete" ? null : { maxUnavailable: "100%" };
    for (const agent of AGENTS) {
      const patch = { spec: { updateStrategy: { type, rollingUpdate } } };
      await this.#ok("PATCH", this.#daemonSetPath(agent), patch, MERGE);
    }
  }

  async removeAgents(): Promise<void> {
    for (const agent of AGENTS) {
      await this.#ok("DELETE", `${this.#daemonSetPath(agent)}?propagationPolicy=Background`);
    }
  }

  #daemonSetPath(agent: Agent): string {
    return `/apis/apps/v1/namespaces/${this.namespace}/daemonsets/${daemonSetName(agent)}`;
  }

  /** Creates a node, with the gate's taint unless `bare`. Waits for a second after a node of that name was deleted. */
  async join(node: string, options?: NodeOptions): Promise<void> {
    const earliest = (this.#left.get(node) ?? 0) + REJOIN_DELAY_MS;
    await sleep(Math.max(0, earliest - Date.now()));
    await this.create("/api/v1/nodes", nodeObject(node, this.name, options));
  }

  /** Deletes a node. Its pods remain until the pod garbage collector runs, a minute later. */
  async leaveKeepingPods(node: string): Promise<void> {
    await this.#delete(`/api/v1/nodes/${node}`);
    await eventually(5, `${node} is deleted`, async () => this.node(node) === undefined);
    this.#left.set(node, Date.now());
  }

  /** Deletes a node and its pods. */
  async leave(node: string): Promise<void> {
    await this.leaveKeepingPods(node);
    for (const pod of this.podsOn(node)) await this.deletePod(pod);
  }

  async deletePod({ metadata }: Pod): Promise<void> {
    await this.#delete(`/api/v1/namespaces/${this.namespace}/pods/${metadata.name}?gracePeriodSeconds=0`);
  }

  /** Applies a JSON merge patch to a node. */
  async patchNode(node: string, patch: object, subresource = ""): Promise<void> {
    await this.#ok("PATCH", `/api/v1/nodes/${node}${subresource}`, patch, MERGE);
  }

  /** Adds a taint as another client, by a JSON Patch that tests the list. @returns false on a conflict */
  async addTaint(node: string, taint: typeof TAINT): Promise<boolean> {
    const { body } = await this.api.request<Node>("GET", `/api/v1/nodes/${node}`);
    const before = body.spec?.taints;
    const patch = [
      ...(before === undefined
        ? [{ op: "test", path: "/metadata/resourceVersion", value: body.metadata.resourceVersion }]
        : [{ op: "test", path: "/spec/taints", value: before }]),
      { op: "add", path: "/spec/taints", value: [...(before ?? []), taint] },
    ];
    const { status } = await this.api.request("PATCH", `/api/v1/nodes/${node}?fieldManager=other`, patch, {
      contentType: "application/json-patch+json",
    });
    return status < 300;
  }

  podsOn(node: string): Pod[] {
    return [...this.pods.objects.values()].filter(({ spec }) => spec.nodeName === node);
  }

  agentPods(node: string): Pod[] {
    return this.podsOn(node).filter((pod) => agentOf(pod) !== undefined);
  }

  agentPod(node: string, agent: Agent): Pod | undefined {
    return this.podsOn(node).find((pod) => agentOf(pod) === agent && !pod.metadata.deletionTimestamp);
  }

  /** Sets an agent's readiness on a node, once its pod exists. */
  async setReady(node: string, agent: Agent, ready: boolean): Promise<void> {
    // The watch may still have a pod that was just deleted. Then the next pod is used.
    await eventually(30, `${agent} has a pod on ${node}`, async () => {
      const pod = this.agentPod(node, agent);
      return pod !== undefined && (await this.annotate(pod.metadata.name, READY, String(ready)));
    });
  }

  /** @returns false if there is no such pod */
  async annotate(pod: string, annotation: string, value: string): Promise<boolean> {
    const path = `/api/v1/namespaces/${this.namespace}/pods/${pod}`;
    const patch = { metadata: { annotations: { [annotation]: value } } };
    const { status, body } = await this.api.request("PATCH", path, patch, MERGE);
    if (status >= 300 && status !== 404) throw new Error(`PATCH ${path}: ${JSON.stringify(body)}`);
    return status < 300;
  }

  /** Removes the gate's condition from a node. */
  async dropCondition(node: string): Promise<void> {
    const patch = { status: { conditions: [{ type: CONDITION, $patch: "delete" }] } };
    await this.#ok("PATCH", `/api/v1/nodes/${node}/status`, patch, {
      contentType: "application/strategic-merge-patch+json",
    });
  }

  async setAllReady(node: string, ready: boolean): Promise<void> {
    for (const agent of AGENTS) await this.setReady(node, agent, ready);
  }

  async addWorkload(name: string, node?: string): Promise<void> {
    await this.create(
      `/api/v1/namespaces/${this.namespace}/pods`,
      workloadObject(name, this.name, this.namespace, node),
    );
  }

  pod(name: string): Pod | undefined {
    return this.pods.objects.get(`${this.namespace}/${name}`);
  }

  node(name: string): Node | undefined {
    return this.nodes.objects.get(name);
  }

  isTainted(name: string): boolean {
    const node = this.node(name);
    return node !== undefined && hasTaint(node);
  }

  /** Counts how often the node got the taint, including the first time. */
  timesTainted(name: string): number {
    const states = this.nodes.changes
      .filter(({ object }) => object.metadata.name === name)
      .map(({ object }) => hasTaint(object));
    return states.filter((tainted, index) => tainted && states[index - 1] !== true).length;
  }

  condition(name: string): string | undefined {
    const node = this.node(name);
    return node && conditionOf(node)?.status;
  }

  /** Returns the current configuration hash of each agent. */
  hashes(): Partial<Record<Agent, string>> {
    return Object.fromEntries(
      [...this.daemonSets.objects.values()].map((set) => [
        agentOf(set),
        set.spec.template.metadata.annotations?.[HASH] ?? "",
      ]),
    );
  }

  /** Checks whether both agents are Ready on a node with the current configuration, as the watches show it. */
  agentsReady(node: string): boolean {
    const hashes = this.hashes();
    return AGENTS.every((agent) => {
      const pod = this.agentPod(node, agent);
      return pod !== undefined && isReady(pod) && pod.metadata.annotations?.[HASH] === hashes[agent];
    });
  }

  async untilUntainted(nodes: readonly string[], seconds = 10): Promise<void> {
    await eventually(seconds, `the taint is removed from ${nodes.join(" ")}`, async () =>
      nodes.every((name) => this.node(name) !== undefined && !this.isTainted(name)),
    );
  }

  /** Creates an object. @throws Error with the response if the API server rejects it */
  async create(collection: string, object: object): Promise<void> {
    await this.#ok("POST", collection, object);
  }

  async #ok(method: string, path: string, body?: unknown, options = {}): Promise<void> {
    const response = await this.api.request(method, path, body, options);
    if (response.status >= 300) throw new Error(`${method} ${path}: ${JSON.stringify(response.body)}`);
  }

  async #delete(path: string): Promise<void> {
    const { status, body } = await this.api.request("DELETE", path);
    if (status >= 300 && status !== 404) throw new Error(`DELETE ${path}: ${JSON.stringify(body)}`);
  }

  async #deleteAll(): Promise<void> {
    const query = `labelSelector=${encodeURIComponent(`${CREATED_FOR}=${this.name}`)}`;
    await this.#delete(`/apis/apps/v1/namespaces/${this.namespace}/daemonsets`);
    await this.#delete(`/api/v1/nodes?${query}`);
    await this.#delete(`/api/v1/namespaces/${this.namespace}/pods?gracePeriodSeconds=0`);
    await this.#delete(`/api/v1/namespaces/${this.namespace}`);
    await eventually(60, `namespace ${this.namespace} is deleted`, async () => {
      return (await this.api.request("GET", `/api/v1/namespaces/${this.namespace}`)).status === 404;
    });
  }
}
