/** The checkpoint controllers of one process with an engine that has agents on the nodes, on an API server in memory. */
import type { NodeCheckpointStatus } from "../../../../api";
import type { CheckpointSettings } from "../../../../config/programs/controller";
import { checkpointControllers } from "../../../../controller/checkpoints";
import { createEngines } from "../../../../controller/engines";
import { Metrics } from "../../../../kube";
import { Killable } from "../../../support/killable";
import { lead, runtimeOn } from "../../../support/controller-runtime";
import { FakeApi, type Stored } from "../../../../testbed/fake-api";
import { CHECKPOINTS, pod } from "./support";

export const NODE_CHECKPOINTS =
  "/apis/automation.cedana.ai/v1alpha1/namespaces/cedana-agents/nodecheckpoints";
export const PLACE = {
  namespace: "cedana-agents",
  repository: "registry.example.com/checkpoints",
  timeoutSeconds: 300,
  responseSeconds: 90,
};
export const CRIU: CheckpointSettings = {
  namespaces: "all",
  maxPerNode: 2,
  waitSeconds: 3600,
  locations: ["/var"],
  engine: "criu",
  agent: PLACE,
  tcp: "loopback",
  preDump: "off",
  freezeSeconds: 45,
  runtimeClasses: { amd64: "cedana-criu" },
  restore: { restart: "fresh", lazy: false, timeoutSeconds: 300 },
};

/** One process of the controller. */
class Replica extends Killable {
  readonly metrics = new Metrics();
  private readonly stopping = new AbortController();
  readonly led: Promise<void>;

  constructor(api: FakeApi, settings: CheckpointSettings, dieAt?: number) {
    super(dieAt);
    const runtime = runtimeOn(this.transportOf(api), this);
    const controllers = checkpointControllers({
      ...runtime,
      settings,
      engines: createEngines(settings, runtime),
    });
    this.led = lead(runtime, controllers, this.stopping.signal);
  }

  /** Stops as on SIGTERM. */
  stop(): void {
    this.stopping.abort();
  }

  override kill(): void {
    super.kill();
    this.stopping.abort();
  }
}

export const condition = (type: string, reason: string, message: string) => ({
  type,
  status: "True" as const,
  reason,
  message,
  lastTransitionTime: "2026-11-21T15:00:00Z",
});
export class Harness {
  readonly api = new FakeApi();
  readonly requested: string[] = [];
  private readonly replicas: Replica[] = [];

  private settings = CRIU;

  constructor(containers: string[]) {
    this.api.put("/api/v1/namespaces/team-a/pods", pod("counter-0", { containers }));
  }

  start(dieAt?: number): Replica {
    const replica = new Replica(this.api, this.settings, dieAt);
    this.replicas.push(replica);
    return replica;
  }

  /** Sets the namespaces of the install for the next controller. */
  narrow(namespaces: readonly string[]): void {
    this.settings = { ...this.settings, namespaces: [...namespaces] };
  }

  /** Sets one repository per namespace for the next controller. */
  perNamespace(): void {
    if (this.settings.engine !== "criu") throw new Error("the engine is not criu");
    this.settings = { ...this.settings, agent: { ...PLACE, repositoryPerNamespace: true } };
  }

  /** Simulates an agent that completes each request after a second. */
  agent(status: NodeCheckpointStatus): void {
    this.api.after = ({ method, body }) => {
      const created = body?.content as Stored;
      if (method !== "POST" || created.kind !== "NodeCheckpoint") return;
      this.requested.push(created.metadata.name);
      setTimeout(() => {
        if (this.api.get(`${NODE_CHECKPOINTS}/${created.metadata.name}`))
          this.edit(created.metadata.name, status);
      }, 1000);
    };
  }

  edit(name: string, status: NodeCheckpointStatus): void {
    this.api.edit(`${NODE_CHECKPOINTS}/${name}`, (object) => {
      (object as Record<string, unknown>)["status"] = status;
    });
  }

  async checkpoint(spec: object = {}, name = "one"): Promise<void> {
    const content = {
      apiVersion: "automation.cedana.ai/v1alpha1",
      kind: "Checkpoint",
      metadata: { name, namespace: "team-a" },
      spec: { podRef: { name: "counter-0" }, ...spec },
    };
    await this.api.send("POST", CHECKPOINTS, { type: "application/json", content });
  }

  /** Returns the phase and reason (`Ready CheckpointCompleted`), the message and the containers of the status. */
  outcome(name = "one") {
    const status = (this.api.get(`${CHECKPOINTS}/${name}`)?.["status"] ?? {}) as {
      conditions?: { type: string; status: string; reason: string; message: string }[];
      containers?: Record<string, unknown>[];
    };
    const { type = "-", reason = "-" } =
      status.conditions?.find(
        ({ type: one, status: value }) => value === "True" && !["Reconciling", "Stalled"].includes(one),
      ) ?? {};
    return { is: `${type} ${reason}`, message: status.conditions?.[0]?.message ?? "", ...status };
  }

  async nodeCheckpoints(): Promise<Stored[]> {
    return ((await this.api.send("GET", NODE_CHECKPOINTS)) as { items: Stored[] }).items;
  }

  async end(): Promise<void> {
    for (const replica of this.replicas) replica.kill();
    await jest.advanceTimersByTimeAsync(0);
  }
}
