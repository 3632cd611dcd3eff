import { holderIn, type Fleet } from "./controller-fleet";
import type { Gate } from "./controller-gate";
import { TAINT } from "./controller-objects";

/**
 * Work without end: agents are Ready on all nodes, and another writer keeps putting the taint back. Not more often than
 * five times a minute on one node: beyond that the controller takes its time, on purpose.
 */
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

/** When the first write to a node was answered of the process that took the Lease over from `holder`. */
export function firstWriteAfter({ exchanges }: Fleet, holder: string): number | undefined {
  const done = exchanges.filter(({ method, status = 500 }) => method !== "GET" && status < 300);
  const last = done.findLastIndex((it) => holderIn(it) === holder);
  const taken = done.findIndex(
    (it, index) => index > last && ![undefined, "", holder].includes(holderIn(it)),
  );
  const replica = done[taken]?.replica;
  return done.find((it, index) => {
    return taken >= 0 && index > taken && it.replica === replica && it.path.includes("/nodes/");
  })?.answeredAt;
}
