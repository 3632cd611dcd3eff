import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ControllerSettings } from "../../../../config/programs/controller";
import { eventually } from "../apiserver";
import { ControllerProcess, type Exit } from "./process";
import { FaultProxy, type Exchange } from "./fault-proxy";
import type { FaultPlan } from "./faults";
import type { Gate } from "./gate";

export interface FleetOptions {
  readonly gate: Gate;
  readonly seed: number;
  readonly settings?: ControllerSettings;
  /** Default: 1. */
  readonly replicas?: number;
  /** User that the replicas impersonate. Default: the kubeconfig's user. */
  readonly as?: string;
}

/** One replica with a proxy for all its requests. */
export class Replica {
  readonly exits: Exit[] = [];
  process: ControllerProcess;
  #replaced = false;

  private constructor(
    readonly name: string,
    readonly proxy: FaultProxy,
    private readonly start: () => ControllerProcess,
    first: ControllerProcess,
  ) {
    this.process = first;
    this.#supervise(first);
  }

  static async start(name: string, folder: string, options: FleetOptions, seed: number): Promise<Replica> {
    const { gate, settings = gate.settings(), as } = options;
    const proxy = await FaultProxy.start({ kubeconfig: gate.kubeconfig, replica: name, seed, as });
    const start = () =>
      new ControllerProcess({
        kubeconfig: proxy.kubeconfig,
        settings,
        replica: name,
        folder,
      });
    return new Replica(name, proxy, start, start());
  }

  /** Restarts the process a second after it exits, as a kubelet does. */
  #supervise(process: ControllerProcess): void {
    void process.ended.then(async (exit) => {
      this.exits.push(exit);
      await new Promise((resolve) => setTimeout(resolve, 1000));
      if (this.#replaced) return;
      this.process = this.start();
      this.#supervise(this.process);
    });
  }

  async stop(): Promise<Exit> {
    this.#replaced = true;
    return this.process.stop();
  }

  /** Stops the process and starts a new one. */
  async restart(): Promise<void> {
    this.#replaced = true;
    await this.process.stop();
    this.#replaced = false;
    this.process = this.start();
    this.#supervise(this.process);
  }

  /** Exits with an error that no signal caused. */
  get unexpectedExits(): Exit[] {
    return this.exits.filter(({ signal, code }) => signal === null && code !== 0);
  }
}

/** The replicas of one controller. */
export class Fleet {
  /** Directory of the logs, and after a failure of all requests and all changes of the cluster. */
  readonly folder: string;
  replicas: readonly Replica[] = [];

  private constructor(readonly options: FleetOptions) {
    this.folder = mkdtempSync(join(tmpdir(), `cedana-controller-${options.gate.name}-`));
  }

  static async start(options: FleetOptions): Promise<Fleet> {
    const fleet = new Fleet(options);
    const { replicas = 1, seed } = options;
    fleet.replicas = await Promise.all(
      Array.from({ length: replicas }, (_, index) =>
        Replica.start(`controller-${index}`, fleet.folder, options, seed * 31 + index),
      ),
    );
    await eventually(30, `a replica leads; ${fleet.where}`, async () => fleet.leader !== undefined);
    return fleet;
  }

  /** Seed and log directory, for messages. */
  get where(): string {
    return `seed ${this.options.seed}, logs in ${this.folder}`;
  }

  get exchanges(): Exchange[] {
    return this.replicas
      .flatMap(({ proxy }) => proxy.exchanges)
      .toSorted((one, other) => one.receivedAt - other.receivedAt);
  }

  /** Holder of the Lease; undefined or empty if there is none. */
  get holder(): string | undefined {
    const { gate, settings = gate.settings() } = this.options;
    return gate.leases.objects.get(`${settings.namespace}/${settings.leaseName}`)?.spec.holderIdentity;
  }

  /** Replica that holds the Lease. */
  get leader(): Replica | undefined {
    const { holder } = this;
    if (!holder) return undefined;
    return this.replicas.find(({ proxy }) => proxy.exchanges.some((it) => holderIn(it) === holder));
  }

  inject(plan: FaultPlan | undefined): void {
    for (const { proxy } of this.replicas) proxy.inject(plan);
  }

  /** Discards all requests but the last writes of the Lease. */
  discardRequests(): void {
    for (const { proxy } of this.replicas) {
      const leases = proxy.exchanges.filter((it) => holderIn(it) !== undefined && (it.status ?? 500) < 300);
      proxy.exchanges.splice(0, Infinity, ...leases.slice(-1));
    }
  }

  /** Stops all replicas. Keeps the directory after a failure. */
  async close(failed = false): Promise<void> {
    const exits = await Promise.all(this.replicas.map((replica) => replica.stop()));
    const exchanges = this.exchanges;
    for (const { proxy } of this.replicas) await proxy.close();
    const unclean = exits.filter(({ signal }) => signal === "SIGKILL").length;
    const unhandled = this.unhandled();
    if (failed || unclean > 0 || unhandled.length > 0) {
      const lines = exchanges.map((it) => JSON.stringify({ ...it, response: undefined }));
      writeFileSync(join(this.folder, "requests.jsonl"), lines.join("\n"));
      writeFileSync(join(this.folder, "changes.jsonl"), this.options.gate.history());
    } else rmSync(this.folder, { recursive: true, force: true });
    if (unclean > 0) throw new Error(`SIGTERM did not end a replica within 15 s; ${this.where}`);
    if (unhandled.length > 0) throw new Error(`${unhandled.join("; ")}; ${this.where}`);
  }

  /** Returns log lines about unhandled errors and warnings. */
  unhandled(): string[] {
    if (!existsSync(this.folder)) return [];
    return readdirSync(this.folder)
      .filter((name) => name.endsWith(".log"))
      .flatMap((name) => readFileSync(join(this.folder, name), "utf8").split("\n"))
      .filter((line) => /unhandled|uncaught|MaxListenersExceeded|TypeError|ReferenceError/i.test(line));
  }
}

/** Returns the holder in a write of a Lease: "" if the write releases the Lease, undefined for other requests. */
export function holderIn({ method, path, body, response }: Exchange): string | undefined {
  if (method === "GET" || !path.includes("/leases")) return undefined;
  const spec = (it: unknown) => (it as { spec?: { holderIdentity?: string } } | undefined)?.spec;
  return spec(response)?.holderIdentity ?? spec(body)?.holderIdentity ?? "";
}
