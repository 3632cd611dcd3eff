import type { Gate } from "./gate";
import { AGENTS, TAINT } from "./objects";
import type { Random } from "../../../support/random";

/**
 * Adds and removes nodes and agents, and adds the taint again as another client. The steps depend on the seed, their
 * times on the machine.
 */
export class Churn {
  readonly #nodes = new Set<string>();
  #created = 0;
  #running: Promise<void> | undefined;
  #ended = false;
  #failure: unknown;

  constructor(
    private readonly gate: Gate,
    private readonly random: Random,
    private readonly options: {
      /** Prefix of the nodes' names. */
      readonly prefix: string;
      /** Maximum number of nodes at a time. */
      readonly nodes: number;
      /** Average pause between two steps. */
      readonly pauseMs: number;
    },
  ) {}

  get nodes(): readonly string[] {
    return [...this.#nodes];
  }

  start(): void {
    this.#ended = false;
    this.#running = this.#run().catch((error: unknown) => {
      this.#failure = error;
    });
  }

  /** Stops. @throws the error of a step */
  async stop(): Promise<void> {
    this.#ended = true;
    await this.#running;
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Stops, and makes both agents Ready on three of four nodes. */
  async settle(): Promise<void> {
    await this.stop();
    // Steps may have failed while the API server was down, so #nodes can be outdated.
    const nodes = [...this.gate.nodes.objects.keys()];
    for (const [index, node] of nodes.entries()) await this.gate.setAllReady(node, index % 4 !== 3);
  }

  async #run(): Promise<void> {
    while (!this.#ended) {
      await this.#step().catch((error: unknown) => this.#tolerate(error));
      await new Promise((resolve) => setTimeout(resolve, this.random.between(0, 2 * this.options.pauseMs)));
    }
  }

  /** Ignores errors while the API server is down, and of nodes and pods that were deleted meanwhile. */
  #tolerate(error: unknown): void {
    const { message, code } = error as NodeJS.ErrnoException;
    const known = ["ECONNREFUSED", "ECONNRESET", "EPIPE"].includes(code ?? "");
    if (!known && !/"code":(404|409|500|503)|socket hang up|not within|has no pod/.test(message)) throw error;
  }

  async #step(): Promise<void> {
    const { gate, random, options } = this;
    const { prefix, nodes: most } = options;
    const draw = random.next();
    const node = this.#nodes.size === 0 ? undefined : random.pick(this.nodes);
    if (node === undefined || (draw < 0.3 && this.#nodes.size < most)) {
      const name = `${prefix}-${++this.#created}`;
      this.#nodes.add(name);
      await gate.join(name);
    } else if (draw < 0.38) {
      this.#nodes.delete(node);
      await gate.leave(node);
    } else if (draw < 0.42) {
      // Another machine with the same name.
      await gate.leave(node);
      await gate.join(node);
    } else if (draw < 0.55) {
      await gate.addTaint(node, TAINT);
    } else if (draw < 0.6) {
      const pod = gate.agentPod(node, random.pick(AGENTS));
      if (pod) await gate.deletePod(pod);
    } else if (gate.agentPods(node).length > 0) {
      const agent = random.pick(AGENTS);
      const ready = random.chance(0.75);
      if (gate.agentPod(node, agent)) await gate.setReady(node, agent, ready);
    }
  }
}
