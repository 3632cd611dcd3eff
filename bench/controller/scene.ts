import { Gate } from "../../test/integration/support/controller/gate";
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
} from "../../test/integration/support/controller/objects";
import { Watch, type Change } from "../../test/integration/support/controller/watch";
import { each } from "./each";

const AT_ONCE = 24;
const OTHERS = "cedana-bench-others";

/** What one node went through in a round. */
export interface Passage {
  /** When the second of both pods was seen Ready, ms. */
  readyAt?: number;
  /** When the node was seen without the taint, ms. */
  openAt?: number;
  /** Changes of taint and condition. */
  writes: number;
}

/** The nodes, agents and other pods of a measurement, and what is seen of them. */
export class Scene {
  readonly gate: Gate;
  readonly names: readonly string[];
  passages = new Map<string, Passage>();
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

  /** Makes nodes and agents, not Ready, and the other pods. */
  async open(pods: number): Promise<void> {
    await this.gate.prepare();
    await each(this.names, AT_ONCE, (name) => this.gate.join(name));
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

  /** All agents not Ready, all nodes with the taint and without the condition. */
  async reset(): Promise<void> {
    await this.#setAll(this.names, false);
    await until("no agent is Ready", () => [
      this.names.filter((name) => !this.#isReady(name)).length,
      this.names.length,
    ]);
    await each(this.names, AT_ONCE, async (name) => {
      const node = this.#seen.get(name);
      if (node && !hasTaint(node)) {
        await this.gate.patchNode(name, { spec: { taints: [...(node.spec.taints ?? []), TAINT] } });
      }
      if (node && conditionOf(node)) await this.gate.dropCondition(name);
    });
    await until("every node is as at first", () => [
      this.names.filter((name) => this.#isReset(name)).length,
      this.names.length,
    ]);
    this.passages = new Map(this.names.map((name) => [name, { writes: 0 }]));
  }

  /** Makes all agents Ready, in some order. @returns when all nodes are open and say so */
  async ready(order: readonly string[]): Promise<void> {
    const flipping = this.#setAll(order, true);
    await until("every node is open", () => [
      this.names.filter((name) => this.passages.get(name)?.openAt !== undefined).length,
      this.names.length,
    ]);
    await flipping;
    await until("every node says so", () => {
      const said = this.names.filter((name) => {
        const node = this.#seen.get(name);
        return node && conditionOf(node)?.status === "True";
      });
      return [said.length, this.names.length];
    });
  }

  async #setAll(names: readonly string[], ready: boolean): Promise<void> {
    await each(names, AT_ONCE, async (name) => {
      for (const pod of this.#podNames.get(name)?.values() ?? [])
        await this.gate.annotate(pod, READY, String(ready));
    });
  }

  /** Pods that nobody asks for. They are bound already and stay Pending: no load but their number. */
  async #others(count: number): Promise<void> {
    if (count === 0) return;
    await this.gate.prepare(OTHERS);
    const begun = Date.now();
    await each(Array.from({ length: count }), AT_ONCE, async (_, index) => {
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
    console.log(`${count} other pods made in ${((Date.now() - begun) / 1000).toFixed(0)} s`);
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
    const passage = this.passages.get(node);
    if (passage && !before && this.#isReady(node)) passage.readyAt = at;
  }

  #node({ object, at }: Change<Node>): void {
    const { name } = object.metadata;
    const before = this.#seen.get(name);
    this.#seen.set(name, object);
    const passage = this.passages.get(name);
    if (!passage || !before) return;
    if (hasTaint(before) && !hasTaint(object)) passage.openAt = at;
    const ours = (node: Node) =>
      JSON.stringify([hasTaint(node), node.status.conditions?.find(({ type }) => type === CONDITION)]);
    if (ours(before) !== ours(object)) passage.writes++;
  }
}

/** Waits until all are so, as long as their number still grows. @throws Error if it does not for two minutes */
async function until(what: string, count: () => readonly [number, number]): Promise<void> {
  let [best, since] = [-1, Date.now()];
  for (;;) {
    const [done, all] = count();
    if (done >= all) return;
    if (done > best) [best, since] = [done, Date.now()];
    if (Date.now() - since > 120_000)
      throw new Error(`${what}: ${done} of ${all}, and no more for two minutes`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
