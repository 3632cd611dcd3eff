import { Gate } from "../../testbed/cluster/gate";
import {
  AGENTS,
  CONDITION,
  READY,
  TAINT,
  agentOf,
  conditionOf,
  hasTaint,
  isReady,
  type Agent,
  type Node,
  type Pod,
} from "../../testbed/cluster/objects";
import { Watch, type Change } from "../../testbed/cluster/watch";
import { each } from "./each";

const CONCURRENCY = 24;
const OTHERS = "cedana-bench-others";

/** Observed transition of one node in a round. */
export interface Transition {
  /** When both pods were observed Ready, ms. */
  readyAt?: number;
  /** When the node was observed without the taint, ms. */
  untaintedAt?: number;
  /** Number of changes of taint or condition. */
  writes: number;
}

/** Creates and observes the nodes, agents and other pods of a measurement. */
export class Scene {
  readonly gate: Gate;
  readonly names: readonly string[];
  transitions = new Map<string, Transition>();
  readonly #nodes: Watch<Node>;
  readonly #pods: Watch<Pod>;
  readonly #ready = new Map<string, Map<Agent, boolean>>();
  readonly #seen = new Map<string, Node>();
  /** Names of the agents' pods, by node. */
  readonly #podNames = new Map<string, Map<Agent, string>>();

  constructor(kubeconfig: string, count: number) {
    this.gate = new Gate(kubeconfig, "bench");
    this.names = Array.from({ length: count }, (_, index) => `bench-${String(index + 1).padStart(5, "0")}`);
    const quiet = <T extends object>(onChange: T) => ({ keep: false, onChange });
    this.#nodes = new Watch(
      kubeconfig,
      "/api/v1/nodes",
      quiet((change: Change<Node>) => this.#node(change)),
    );
    const pods = `/api/v1/namespaces/${this.gate.namespace}/pods`;
    this.#pods = new Watch(
      kubeconfig,
      pods,
      quiet((change: Change<Pod>) => this.#pod(change)),
    );
  }

  /** Creates nodes, agents that are not Ready, and the other pods. */
  async open(pods: number): Promise<void> {
    await this.gate.prepare();
    await each(this.names, CONCURRENCY, (name) => this.gate.join(name));
    await this.gate.deployAgents("1");
    await this.#others(pods);
    await this.#nodes.start();
    await this.#pods.start();
    await until("every agent has its pods", () => {
      const known = [...this.#podNames.values()].filter((pods) => pods.size === AGENTS.length);
      return [known.length, this.names.length];
    });
  }

  async close(): Promise<void> {
    await this.#nodes.close();
    await this.#pods.close();
  }

  /** Resets all agents to not Ready, and all nodes to tainted without the condition. */
  async reset(): Promise<void> {
    await this.#setAll(this.names, false);
    await until("no agent is Ready", () => [
      this.names.filter((name) => !this.#isReady(name)).length,
      this.names.length,
    ]);
    await each(this.names, CONCURRENCY, async (name) => {
      const node = this.#seen.get(name);
      if (node && !hasTaint(node)) {
        await this.gate.patchNode(name, { spec: { taints: [...(node.spec.taints ?? []), TAINT] } });
      }
      if (node && conditionOf(node)) await this.gate.dropCondition(name);
    });
    await until("every node is reset", () => [
      this.names.filter((name) => this.#isReset(name)).length,
      this.names.length,
    ]);
    this.transitions = new Map(this.names.map((name) => [name, { writes: 0 }]));
  }

  /** Makes all agents Ready, in this order. Resolves when all nodes are untainted and have the condition. */
  async ready(order: readonly string[]): Promise<void> {
    const flipping = this.#setAll(order, true);
    await until("every node is untainted", () => [
      this.names.filter((name) => this.transitions.get(name)?.untaintedAt !== undefined).length,
      this.names.length,
    ]);
    await flipping;
    await until("every node has the condition", () => {
      const reported = this.names.filter((name) => {
        const node = this.#seen.get(name);
        return node && conditionOf(node)?.status === "True";
      });
      return [reported.length, this.names.length];
    });
  }

  async #setAll(names: readonly string[], ready: boolean): Promise<void> {
    await each(names, CONCURRENCY, async (name) => {
      for (const pod of this.#podNames.get(name)?.values() ?? [])
        await this.gate.annotate(pod, READY, String(ready));
    });
  }

  /** Creates pods of no interest to the controller. They are bound and stay Pending. */
  async #others(count: number): Promise<void> {
    if (count === 0) return;
    await this.gate.prepare(OTHERS);
    const startMs = Date.now();
    await each(Array.from({ length: count }), CONCURRENCY, async (_, index) => {
      const node = this.names[index % this.names.length];
      await this.gate.create(`/api/v1/namespaces/${OTHERS}/pods`, {
        apiVersion: "v1",
        kind: "Pod",
        metadata: { name: `other-${index}`, labels: { app: "other" } },
        spec: {
          nodeName: node,
          automountServiceAccountToken: false,
          containers: [{ name: "main", image: "localhost/workload:1" }],
        },
      });
    });
    console.log(`${count} other pods created in ${((Date.now() - startMs) / 1000).toFixed(0)} s`);
  }

  #isReady(name: string): boolean {
    const ready = this.#ready.get(name);
    return ready !== undefined && AGENTS.every((agent) => ready.get(agent) === true);
  }

  #isReset(name: string): boolean {
    const node = this.#seen.get(name);
    return node !== undefined && hasTaint(node) && conditionOf(node) === undefined;
  }

  #pod({ object, at }: Change<Pod>): void {
    const agent = agentOf(object);
    const node = object.spec.nodeName;
    if (agent === undefined || node === undefined) return;
    const names = this.#podNames.get(node) ?? new Map<Agent, string>();
    this.#podNames.set(node, names.set(agent, object.metadata.name));
    const before = this.#isReady(node);
    this.#ready.set(node, (this.#ready.get(node) ?? new Map<Agent, boolean>()).set(agent, isReady(object)));
    const transition = this.transitions.get(node);
    if (transition && !before && this.#isReady(node)) transition.readyAt = at;
  }

  #node({ object, at }: Change<Node>): void {
    const { name } = object.metadata;
    const before = this.#seen.get(name);
    this.#seen.set(name, object);
    const transition = this.transitions.get(name);
    if (!transition || !before) return;
    if (hasTaint(before) && !hasTaint(object)) transition.untaintedAt = at;
    const ours = (node: Node) =>
      JSON.stringify([hasTaint(node), node.status.conditions?.find(({ type }) => type === CONDITION)]);
    if (ours(before) !== ours(object)) transition.writes++;
  }
}

/** Waits until the first count reaches the second. @throws Error if it does not grow for two minutes */
async function until(what: string, count: () => readonly [number, number]): Promise<void> {
  let [best, since] = [-1, Date.now()];
  for (;;) {
    const [done, all] = count();
    if (done >= all) return;
    if (done > best) [best, since] = [done, Date.now()];
    if (Date.now() - since > 120_000)
      throw new Error(`${what}: ${done} of ${all}, without progress for two minutes`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
