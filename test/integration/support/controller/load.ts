import type { Gate } from "./gate";
import { TAINT } from "./objects";

/**
 * Constant work for a controller: agents are Ready on all nodes, and another client adds the taint again and again. It
 * does so at most five times a minute per node, because the controller backs off above that rate.
 */
export class Load {
  #ended = false;
  #running: Promise<void> = Promise.resolve();

  private constructor(
    private readonly gate: Gate,
    readonly nodes: readonly string[],
  ) {}

  /** Creates the nodes, waits until their taint is removed, and starts. */
  static async start(gate: Gate, nodes: readonly string[]): Promise<Load> {
    const load = new Load(gate, nodes);
    await Promise.all(nodes.map((node) => gate.join(node)));
    await Promise.all(nodes.map((node) => gate.setAllReady(node, true)));
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
      await new Promise((resolve) => setTimeout(resolve, 15_000 / this.nodes.length));
    }
  }
}
