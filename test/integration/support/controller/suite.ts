/** Shared by the controller suites: the kubeconfig, and tests that report seed and logs when they fail. */
import { existsSync } from "node:fs";
import { kubeconfig } from "../apiserver";
import { Fleet, type FleetOptions } from "./fleet";
import { Gate } from "./gate";
import { PROGRAM } from "./process";
import type { GateSettings } from "../../../../config/programs/controller";
import { SEED } from "../../../support/random";

/** Path of the kubeconfig; undefined if there is no cluster and CEDANA_INTEGRATION_ALLOW_MISSING=1. */
export const config = kubeconfig();
/** `describe`, or `describe.skip` without a cluster. */
export const describeController = config === undefined ? describe.skip : describe;

/** Gates and controllers of one suite. */
export class Suite {
  readonly #gates: Gate[] = [];
  readonly #fleets: Fleet[] = [];
  #failed = false;

  /** Creates a gate, with agents of configuration "1" that are not Ready. */
  async gate(name: string): Promise<Gate> {
    const gate = new Gate(config ?? "", name);
    this.#gates.push(gate);
    await gate.open();
    await gate.deployAgents("1");
    return gate;
  }

  /** Starts a controller for a gate. */
  async fleet(
    gate: Gate,
    {
      settings,
      ...options
    }: Partial<Omit<FleetOptions, "gate" | "settings">> & { settings?: Partial<GateSettings> } = {},
  ): Promise<Fleet> {
    const fleet = await Fleet.start({ seed: SEED, ...options, gate, settings: gate.settings(settings) });
    this.#fleets.push(fleet);
    return fleet;
  }

  /** Wraps the body of a test: its error names the seed and the logs. */
  run(body: () => Promise<void>): () => Promise<void> {
    return async () => {
      try {
        await body();
      } catch (error) {
        this.#failed = true;
        const where = this.#fleets.map((fleet) => fleet.where).join("; ");
        if (error instanceof Error) error.message += `\n(${where})`;
        throw error;
      }
    };
  }

  async close(): Promise<void> {
    const ended = await Promise.allSettled(this.#fleets.map((fleet) => fleet.close(this.#failed)));
    for (const gate of this.#gates) await gate.close();
    const problems = ended.flatMap((it) => (it.status === "rejected" ? [String(it.reason)] : []));
    if (problems.length > 0) throw new Error(problems.join("\n"));
  }
}

if (config !== undefined && !existsSync(PROGRAM)) {
  throw new Error(
    `${PROGRAM} is missing: run npm run build, or name another program in CEDANA_INTEGRATION_CONTROLLER`,
  );
}

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
/** Returns n names of nodes. */
export const nodesOf = (prefix: string, count: number): string[] =>
  Array.from({ length: count }, (_, index) => `${prefix}-${index + 1}`);
