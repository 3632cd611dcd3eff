import type { Transport } from "../../../../kube/client";
import type { CheckpointSpec } from "../../../../api";
import { checkpointControllers } from "../../../../controller/checkpoints";
import {
  EngineError,
  type CheckpointRequest,
  type CheckpointResult,
  type Engine,
  type RestoreRequest,
} from "../../../../controller/engines";
import { Metrics, type EventInput } from "../../../../kube";
import { lead, runtimeOn } from "../../../support/controller-runtime";
import { FakeApi, type FakeRequest, type Stored } from "../../../support/fake-api";

export const CHECKPOINTS = "/apis/automation.cedana.ai/v1alpha1/namespaces/team-a/checkpoints";
export const CEDANAS = "/apis/core.cedana.ai/v1/namespaces/team-a/cedanas";
const PODS = "/api/v1/namespaces/team-a/pods";

/** An engine whose answers the test gives. It keeps what it was asked. */
export class FakeEngine implements Engine {
  readonly name = "cedana";
  canDelete = false;
  readonly canResume = false;
  readonly timeoutMs = 600_000;
  readonly asked: string[] = [];
  readonly requests: CheckpointRequest[] = [];
  readonly restores: RestoreRequest[] = [];
  readonly deleted: string[] = [];
  /** What it does when it is asked; by default it takes a second. */
  work: (container: string) => Promise<CheckpointResult> = async (container) => {
    await new Promise((resolve) => setTimeout(resolve, 1000));
    return { checkpointID: `id-${container}` };
  };
  atOnce = 0;
  mostAtOnce = 0;

  async checkpoint(request: CheckpointRequest): Promise<CheckpointResult> {
    this.requests.push(request);
    this.asked.push(`${request.pod}/${request.container}`);
    return this.doing(() => this.work(request.container));
  }

  async restore(request: RestoreRequest): Promise<void> {
    this.restores.push(request);
    await this.doing(() => this.work(request.container));
  }

  async list() {
    return [];
  }

  async delete({ checkpointID = "" }): Promise<void> {
    await this.work("delete");
    this.deleted.push(checkpointID);
  }

  async health() {}

  private async doing<T>(work: () => Promise<T>): Promise<T> {
    this.mostAtOnce = Math.max(this.mostAtOnce, ++this.atOnce);
    try {
      return await work();
    } finally {
      this.atOnce--;
    }
  }
}

export const unreachable = () =>
  Promise.reject(new EngineError("connect ECONNREFUSED", { outcome: "refused", retryable: true }));
export const failing =
  (message: string, outcome: "refused" | "failed" | "unknown" = "failed") =>
  () =>
    Promise.reject(new EngineError(message, { outcome, retryable: false }));

const never = new Promise<never>(() => {});

/** One process of the controller. Dead, it sends nothing and hears nothing. */
export class Replica {
  readonly events: EventInput[] = [];
  readonly metrics = new Metrics();
  steps = 0;
  dead = false;
  private readonly dieAt?: number;
  readonly led: Promise<void>;
  private readonly stopping = new AbortController();

  constructor(
    api: FakeApi,
    private readonly engine: FakeEngine,
    options: { maxPerNode?: number; namespaces?: "all" | string[]; dieAt?: number } = {},
  ) {
    this.dieAt = options.dieAt;
    const client: Transport = {
      send: (method, path, body, more) =>
        // Lists are the cache's: they change nothing.
        this.step(() => api.send(method, path, body, more), more?.query?.["limit"] === undefined),
      watch: (path, more) => api.watch(path, more),
    };
    const runtime = runtimeOn(client, this);
    const controllers = checkpointControllers({
      ...runtime,
      settings: {
        namespaces: options.namespaces ?? "all",
        maxPerNode: options.maxPerNode ?? 2,
        locations: ["/var"],
        engine: "cedana",
        manager: { url: "http://manager:1324", root: "/run/runc", timeoutSeconds: 600 },
      },
      engines: new Map([["cedana", this.engineOf()]]),
    });
    this.led = lead(runtime, controllers, this.stopping.signal);
  }

  /** As by SIGTERM. */
  stop(): void {
    this.stopping.abort();
  }

  kill(): void {
    this.dead = true;
    this.stopping.abort();
  }

  private engineOf(): Engine {
    const { engine } = this;
    return {
      name: engine.name,
      canDelete: engine.canDelete,
      canResume: engine.canResume,
      timeoutMs: engine.timeoutMs,
      checkpoint: (request, signal) => this.step(() => raced(engine.checkpoint(request), signal), true),
      restore: (request, signal) => this.step(() => raced(engine.restore(request), signal), true),
      list: () => engine.list(),
      delete: (reference) => this.step(() => engine.delete(reference), true),
      health: () => engine.health(),
    };
  }

  /** A step is each request that is sent, and each question to an engine. Dead at one, it is done and nobody hears of it. */
  private async step<T>(work: () => Promise<T>, counts: boolean): Promise<T> {
    if (this.dead) return never;
    const dies = counts && ++this.steps === this.dieAt;
    const done = await work().then(
      (value) => () => value,
      (error: unknown) => () => {
        throw error;
      },
    );
    if (dies) this.kill();
    return this.dead ? never : done();
  }
}

/** What an engine says to a question that is given up. */
function raced<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () =>
      reject(new EngineError("the request was given up", { outcome: "unknown", retryable: false }));
    signal.addEventListener("abort", abort);
    work.then(resolve, reject);
  });
}

export function pod(
  name: string,
  more: { node?: string; uid?: string; phase?: string; containers?: string[] } = {},
) {
  const { node = "n1", phase = "Running", containers = ["a"] } = more;
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name,
      namespace: "team-a",
      labels: { "pod-template-hash": "6c" },
      ownerReferences: [
        { apiVersion: "apps/v1", kind: "ReplicaSet", name: "counter-6c", uid: "rs-1", controller: true },
      ],
    },
    spec: { nodeName: node, containers: containers.map((one) => ({ name: one, image: `image-${one}` })) },
    status: { phase },
  };
}

export class World {
  readonly api = new FakeApi();
  readonly engine = new FakeEngine();
  private readonly replicas: Replica[] = [];

  start(options?: ConstructorParameters<typeof Replica>[2]): Replica {
    const replica = new Replica(this.api, this.engine, options);
    this.replicas.push(replica);
    return replica;
  }

  async end(): Promise<void> {
    for (const replica of this.replicas) replica.kill();
    await jest.advanceTimersByTimeAsync(0);
  }

  pod(...given: Parameters<typeof pod>): Stored {
    return this.api.put(PODS, pod(...given));
  }

  removePod(name: string): void {
    this.api.remove(`${PODS}/${name}`);
  }

  async checkpoint(name: string, spec: Partial<CheckpointSpec> = {}): Promise<void> {
    const content = {
      apiVersion: "automation.cedana.ai/v1alpha1",
      kind: "Checkpoint",
      metadata: { name, namespace: "team-a" },
      spec: { podRef: { name: "counter-0" }, leaveRunning: true, ...spec },
    };
    await this.api.send("POST", CHECKPOINTS, { type: "application/json", content });
  }

  async cedana(name: string, spec: object): Promise<void> {
    const content = {
      apiVersion: "core.cedana.ai/v1",
      kind: "Cedana",
      metadata: { name, namespace: "team-a" },
      spec,
    };
    await this.api.send("POST", CEDANAS, { type: "application/json", content });
  }

  /** A Checkpoint's status, with the reason of its condition Ready. */
  status(name: string): Record<string, unknown> & { reason?: string; message?: string; true: string[] } {
    const status = (this.api.get(`${CHECKPOINTS}/${name}`)?.["status"] ?? {}) as {
      conditions?: { type: string; status: string; reason: string; message: string }[];
    };
    const ready = status.conditions?.find(({ type }) => type === "Ready");
    const holds = (status.conditions ?? []).filter((one) => one.status === "True").map(({ type }) => type);
    return { ...status, reason: ready?.reason, message: ready?.message, true: holds };
  }

  cedanaOf(name: string) {
    return this.api.get(`${CEDANAS}/${name}`) as unknown as {
      metadata: { annotations?: Record<string, string> };
      spec: { method?: string };
      status?: Record<string, unknown> & { conditions?: { reason: string; message: string }[] };
    };
  }

  edit(path: string, change: (object: Stored) => void): void {
    this.api.edit(path, change);
  }

  /** Requests of the controllers that change something. */
  get writes(): readonly FakeRequest[] {
    return this.api.writes;
  }
}

export const seconds = (count: number) => jest.advanceTimersByTimeAsync(count * 1000);
