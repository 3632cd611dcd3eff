import { policyControllers, type PolicyOptions } from "../../../../controller/policies";
import { Metrics, type EventInput } from "../../../../kube";
import { FakeApi, type Stored } from "../../../../testbed/fake-api";
import { lead, runtimeOn } from "../../../support/controller-runtime";

export const GROUP = "/apis/automation.cedana.ai/v1alpha1";
export const IN_A = `${GROUP}/namespaces/team-a`;

/** Setting of the trigger memory, for controllers whose policies have others. */
export const MEMORY = { namespace: "cedana-system", readings: "agent" } as const;

export interface CreatedCheckpoint {
  readonly metadata: { name: string; labels: Record<string, string>; annotations: Record<string, string> };
  readonly spec: { readonly podRef: { readonly name: string } };
}

/** An API in memory with the namespace team-a, and controllers that lead. For fake timers. */
export class PolicyCluster {
  readonly api = new FakeApi();
  readonly events: EventInput[] = [];
  /** Lines of the log. */
  readonly lines: object[] = [];
  /** Of the controller that started last. */
  metrics = new Metrics();
  private readonly stops: AbortController[] = [];

  constructor(private readonly options: Pick<PolicyOptions, "settings" | "tables" | "send">) {
    this.put("/api/v1/namespaces", { metadata: { name: "team-a" } });
  }

  /** Starts the controller as a leader. @returns the function that ends it */
  start(): () => void {
    const stop = new AbortController();
    this.stops.push(stop);
    const { events, lines } = this;
    this.metrics = new Metrics();
    const runtime = runtimeOn(this.api, { events, lines, metrics: this.metrics });
    const checkpoints = { namespaces: "all" as const, maxPerNode: 10 };
    void lead(runtime, policyControllers({ ...runtime, ...this.options, checkpoints }), stop.signal);
    return () => stop.abort();
  }

  /** Ends all controllers. */
  stop(): void {
    for (const stop of this.stops) stop.abort();
  }

  policy(name: string, spec: object): Stored {
    return this.put(`${IN_A}/checkpointpolicies`, {
      apiVersion: "automation.cedana.ai/v1alpha1",
      kind: "CheckpointPolicy",
      metadata: { name, namespace: "team-a", generation: 1 },
      spec: {
        suspend: false,
        action: { checkpoint: { leaveRunning: true } },
        minSpacingSeconds: 0,
        deadlineSeconds: 600,
        maxInFlight: 10,
        ...spec,
      },
    });
  }

  pod(name: string, { metadata = {}, spec = {}, status = {} }: Partial<Record<string, object>> = {}): Stored {
    return this.put("/api/v1/namespaces/team-a/pods", {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name, namespace: "team-a", ...metadata },
      spec: { nodeName: "n1", containers: [{ name: "main", image: "app" }], ...spec },
      status: { phase: "Running", ...status },
    });
  }

  put(path: string, object: object): Stored {
    return this.api.put(path, object as Parameters<FakeApi["put"]>[1]);
  }

  /** Returns the Checkpoints, in the order of their names. */
  async created(): Promise<CreatedCheckpoint[]> {
    const { items } = (await this.api.send("GET", `${IN_A}/checkpoints`)) as { items: CreatedCheckpoint[] };
    return items.toSorted((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
  }

  /** Completes the open Checkpoints, as their controller does. */
  async finish(): Promise<void> {
    for (const { metadata } of await this.created()) {
      this.api.edit(`${IN_A}/checkpoints/${metadata.name}`, (object) => {
        object["status"] ??= {
          completionTime: new Date().toISOString(),
          conditions: [{ type: "Ready", status: "True", reason: "CheckpointCompleted", message: "done" }],
        };
      });
    }
  }
}
