import type { CriuContext } from "../../../../../agent/engines/criu/context";
import type { CheckpointEntry } from "../../../../../agent/work";
import { runnersFor } from "../../../../../agent/engines/criu/runners";
import { Slots } from "../../../../../agent/engines/criu/slots";
import { NODE_RESTORE } from "../../../../../agent/engines/criu/node-restores";
import { NODE_CHECKPOINT } from "../../../../../agent/work";
import type { Condition, NodeCheckpointStatus, NodeRestoreStatus } from "../../../../../api";
import { Cache, Client, pathOf, type Kind } from "../../../../../kube";
import { FakeApi } from "../../../../../testbed/fake-api";
import type { VirtualTime } from "../../../../support/virtual-time";
import { Mortal, silent } from "../mortal";
import { NodeModel } from "./service";

const NAMESPACE = "cedana-system";
const REPOSITORY = "registry.example.com/checkpoints";
export const CHECKPOINTS = pathOf(NODE_CHECKPOINT, NAMESPACE);
export const RESTORES = pathOf(NODE_RESTORE, NAMESPACE);
const TIMES = { serviceMs: 600, backoffMs: [1, 8] as const, keepMs: 3000, pollMs: [1, 8] as const };

type Status = NodeCheckpointStatus & NodeRestoreStatus;

/** A node, and the API server with the requests to it. */
export class Node {
  readonly api = new FakeApi();
  readonly model = new NodeModel();
  /** Content of the journal. */
  readonly entries = new Map<string, CheckpointEntry>();
  quotaBytes = 1e6;
  maxConcurrent = 2;
  repositoryPerNamespace = false;
  private readonly processes: Process[] = [];

  constructor(private readonly time: VirtualTime) {
    this.model.isWanted = (uid) => this.api.get(`${CHECKPOINTS}/${uid}`) !== undefined;
  }

  start(options: { readonly dieAt?: number } = {}): Process {
    const process = new Process(this, options);
    this.processes.push(process);
    return process;
  }

  end(): void {
    for (const one of this.processes) one.kill();
  }

  /** Creates a NodeCheckpoint. */
  checkpoint(name: string, spec: object = {}): void {
    this.api.put(CHECKPOINTS, {
      apiVersion: "automation.cedana.ai/v1alpha1",
      kind: "NodeCheckpoint",
      metadata: {
        name,
        namespace: NAMESPACE,
        labels: { "automation.cedana.ai/node": "n1" },
        creationTimestamp: seconds(),
      },
      spec: {
        nodeName: "n1",
        podRef: { namespace: "shop", name: "web", uid: "uid-of-web" },
        containerNames: [],
        image: `${REPOSITORY}:${name}`,
        timeoutSeconds: 60,
        ...spec,
      },
    } as never);
  }

  /** Creates a NodeRestore for a pod, from an image that the registry has. */
  restore(podUID: string, spec: object = {}): void {
    const image = `${REPOSITORY}@sha256:${"1".repeat(64)}`;
    this.model.images.set(image, "cp");
    this.api.put(RESTORES, {
      apiVersion: "automation.cedana.ai/v1alpha1",
      kind: "NodeRestore",
      metadata: {
        name: podUID,
        namespace: NAMESPACE,
        labels: { "automation.cedana.ai/node": "n1" },
        creationTimestamp: seconds(),
      },
      spec: {
        nodeName: "n1",
        podRef: { namespace: "shop", name: "web", uid: podUID },
        checkpointUID: "cp",
        image,
        fallback: "fresh",
        restart: "fresh",
        lazy: false,
        timeoutSeconds: 300,
        ...spec,
      },
    } as never);
  }

  status(path: string): Status | undefined {
    const stored = this.api.get(path);
    return stored && ((stored as { status?: Status }).status ?? {});
  }

  /** Returns the condition that holds, or `-`, and the reason: `Ready CheckpointCompleted`. */
  condition(path: string): string {
    const conditions = (this.status(path)?.conditions ?? []) as readonly Condition[];
    const holds = conditions.find(({ status }) => status === "True");
    return `${holds?.type ?? "-"} ${conditions[0]?.reason ?? "-"}`;
  }

  message(path: string): string {
    return this.status(path)?.conditions?.[0]?.message ?? "";
  }

  isOver(path: string): boolean {
    return this.api.get(path) === undefined || /^(Ready|Failed) /.test(this.condition(path));
  }

  /** Waits until all objects are finished and the journal is empty. */
  async finished(...paths: readonly string[]): Promise<void> {
    await this.until(() => this.entries.size === 0 && paths.every((path) => this.isOver(path)));
  }

  /** Advances time until a condition holds. @throws Error after two minutes */
  async until(holds: () => boolean): Promise<void> {
    for (const endMs = this.time.nowMs + 120_000; !holds(); await this.time.pass(1))
      if (this.time.nowMs >= endMs)
        throw new Error(`not reached within 120 s; journal ${[...this.entries.keys()].join(", ")}`);
  }
}

/** Returns the time in whole seconds, as the API server writes it. */
function seconds(): string {
  return new Date(Math.floor(Date.now() / 1000) * 1000).toISOString();
}

/** Runs one process of the agent. */
export class Process {
  readonly ready: Promise<void>;
  private readonly stopping = new AbortController();
  private readonly ending = new AbortController();
  private readonly mortal: Mortal;
  private runners: ReturnType<typeof runnersFor> = [];

  constructor(node: Node, { dieAt }: { readonly dieAt?: number }) {
    this.mortal = new Mortal(dieAt, () => {
      this.stopping.abort(new Error("killed"));
      this.ending.abort();
    });
    const { mortal } = this;
    const { api, model } = node;
    const cache = new Cache({ transport: api, log: silent });
    const objects = <T>(kind: Kind<T>) =>
      cache.objects(kind as never, {
        namespaces: [NAMESPACE],
        labelSelector: "automation.cedana.ai/node=n1",
      }) as never;
    const context: CriuContext = {
      settings: {
        namespace: NAMESPACE,
        repository: REPOSITORY,
        repositoryPerNamespace: node.repositoryPerNamespace,
        quotaBytes: node.quotaBytes,
        reserveBytes: 1000,
        maxConcurrent: node.maxConcurrent,
      },
      client: new Client(mortal.wrap({ send: api.send.bind(api) }), { fieldManager: "cedana-agent" }),
      node: mortal.wrap(model.service),
      journal: mortal.wrap({
        load: async () => {},
        get: (uid: string) => node.entries.get(uid),
        list: () => [...node.entries.values()],
        put: async (entry: CheckpointEntry) => void node.entries.set(entry.uid, structuredClone(entry)),
        remove: async (uid: string) => void node.entries.delete(uid),
      }),
      artifacts: mortal.wrap(model.artifacts),
      pulls: new Slots(node.maxConcurrent),
      times: TIMES,
      log: silent,
    };
    this.runners = runnersFor(context, { objects, log: silent, stop: this.stopping.signal });
    void cache.run(this.ending.signal);
    this.ready = Promise.all(this.runners.map(({ synced }) => synced)).then(async () => {
      for (const runner of this.runners) await runner.start();
    });
  }

  get dead(): boolean {
    return this.mortal.dead;
  }

  /** Stops as on SIGTERM. */
  async stop(): Promise<void> {
    this.stopping.abort(new Error("the agent is stopping"));
    await Promise.all(this.runners.map((runner) => runner.drained()));
    this.kill();
  }

  kill(): void {
    this.mortal.kill();
  }
}
