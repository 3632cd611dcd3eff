import type { Fleet } from "./controller-fleet";
import type { Gate } from "./controller-gate";
import { TAINT } from "./controller-objects";

/** Work without end: agents are Ready on all nodes, and another writer keeps putting the taint back. */
export class Load {
  #ended = false;
  #running: Promise<void> = Promise.resolve();

  private constructor(
    private readonly gate: Gate,
    readonly nodes: readonly string[],
  ) {}

  /** Makes the nodes, waits until they are open, and begins. */
  static async start(gate: Gate, nodes: readonly string[]): Promise<Load> {
    const load = new Load(gate, nodes);
    for (const node of nodes) await gate.join(node);
    for (const node of nodes) await gate.setAllReady(node, true);
    await gate.untilUntainted(nodes, 30);
    load.#running = load.#run();
    return load;
  }

  async stop(): Promise<void> {
    this.#ended = true;
    await this.#running;
  }

  async #run(): Promise<void> {
    for (let index = 0; !this.#ended; index++) {
      const node = this.nodes[index % this.nodes.length] ?? "";
      if (!this.gate.isTainted(node)) await this.gate.addTaint(node, TAINT).catch(() => undefined);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

/** When a replica first wrote to a node after that time and was heard; undefined if it has not. */
export function firstWrite(fleet: Fleet, replica: string, after: number): number | undefined {
  return fleet.exchanges.find((it) => {
    const written = it.method === "PATCH" && (it.status ?? 500) < 300 && it.path.includes("/nodes/");
    return it.replica === replica && written && it.receivedAt > after;
  })?.answeredAt;
}
