import type { CheckpointSpec } from "../../../../api";
import { checkpointControllers } from "../../../../controller/checkpoints";
import {
  EngineError,
  type CheckpointRequest,
  type CheckpointResult,
  type Engine,
  type RestoreEngine,
  type RestoreRequest,
} from "../../../../controller/engines";
import { Metrics, type EventInput } from "../../../../kube";
import { Killable } from "../../../support/killable";
import { lead, runtimeOn } from "../../../support/controller-runtime";
import { FakeApi, type FakeRequest, type Stored } from "../../../../testbed/fake-api";

export const CHECKPOINTS = "/apis/automation.cedana.ai/v1alpha1/namespaces/team-a/checkpoints";
export const CEDANAS = "/apis/core.cedana.ai/v1/namespaces/team-a/cedanas";
const PODS = "/api/v1/namespaces/team-a/pods";

/** An engine with responses from the test. It records its requests. */
export class FakeEngine implements RestoreEngine {
  readonly name = "cedana";
  readonly canResume = false;
  readonly handlesCedanas = true;
  readonly timeoutMs = 600_000;
  readonly requested: string[] = [];
  readonly requests: CheckpointRequest[] = [];
  readonly restores: RestoreRequest[] = [];
  canRestore = true;
  /** Responds to a request; by default after a second. */
  work: (container: string) => Promise<CheckpointResult> = async (container) => {
    await new Promise((resolve) => setTimeout(resolve, 1000));
    return { checkpointID: `id-${container}` };
  };
  concurrent = 0;
  maxConcurrent = 0;

  async checkpoint(request: CheckpointRequest): Promise<CheckpointResult> {
    this.requests.push(request);
    this.requested.push(`${request.pod}/${request.container}`);
    return this.counted(() => this.work(request.container));
  }

  async restore(request: RestoreRequest): Promise<void> {
    this.restores.push(request);
    await this.counted(() => this.work(request.container));
  }

  private async counted<T>(work: () => Promise<T>): Promise<T> {
    this.maxConcurrent = Math.max(this.maxConcurrent, ++this.concurrent);
    try {
      return await work();
    } finally {
      this.concurrent--;
    }
  }
}

export const unreachable = () =>
  Promise.reject(new EngineError("connect ECONNREFUSED", { outcome: "refused", retryable: true }));
export const failing =
  (message: string, outcome: "refused" | "failed" | "unknown" = "failed") =>
  () =>
    Promise.reject(new EngineError(message, { outcome, retryable: false }));

/** One process of the controller. */
export class Replica extends Killable {
  readonly events: EventInput[] = [];
  readonly metrics = new Metrics();
  /** Lines of the log, parsed. */
  readonly lines: object[] = [];
  readonly led: Promise<void>;
  private readonly stopping = new AbortController();

  constructor(
    api: FakeApi,
    private readonly engine: FakeEngine,
    options: {
      maxPerNode?: number;
      waitSeconds?: number;
      namespaces?: "all" | string[];
      dieAt?: number;
    } = {},
  ) {
    super(options.dieAt);
    const runtime = runtimeOn(this.transportOf(api), this);
    const controllers = checkpointControllers({
      ...runtime,
      settings: {
        namespaces: options.namespaces ?? "all",
        maxPerNode: options.maxPerNode ?? 2,
        waitSeconds: options.waitSeconds ?? 3600,
        locations: ["/var"],
        engine: "cedana",
        manager: { url: "http://manager:1324", root: "/run/runc", timeoutSeconds: 600 },
      },
      engines: new Map([["cedana", this.engineOf()]]),
    });
    this.led = lead(runtime, controllers, this.stopping.signal);
  }

  /** Stops as SIGTERM does. */
  stop(): void {
    this.stopping.abort();
  }

  override kill(): void {
    super.kill();
    this.stopping.abort();
  }

  private engineOf(): Engine | RestoreEngine {
    const { engine } = this;
    const driver: Engine = {
      name: engine.name,
      canResume: engine.canResume,
      handlesCedanas: engine.handlesCedanas,
      timeoutMs: engine.timeoutMs,
      checkpoint: (request, signal) => this.step(() => raced(engine.checkpoint(request), signal)),
    };
    const restore: RestoreEngine["restore"] = (request, signal) =>
      this.step(() => raced(engine.restore(request), signal));
    return engine.canRestore ? { ...driver, restore } : driver;
  }
}

/** Rejects as an engine does when the signal aborts its request. */
function raced<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () =>
      reject(new EngineError("the request was aborted", { outcome: "unknown", retryable: false }));
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

export class Harness {
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

  /** Returns a Checkpoint's status, with reason and message of its condition Ready, and which of its own conditions are True. */
  status(name: string): Record<string, unknown> & { reason?: string; message?: string; true: string[] } {
    const status = (this.api.get(`${CHECKPOINTS}/${name}`)?.["status"] ?? {}) as {
      conditions?: { type: string; status: string; reason: string; message: string }[];
    };
    const ready = status.conditions?.find(({ type }) => type === "Ready");
    const holds = (status.conditions ?? [])
      .filter(({ type, status: value }) => value === "True" && !["Reconciling", "Stalled"].includes(type))
      .map(({ type }) => type);
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

  /** Returns the writes of the controllers. */
  get writes(): readonly FakeRequest[] {
    return this.api.writes;
  }
}

export const seconds = (count: number) => jest.advanceTimersByTimeAsync(count * 1000);
