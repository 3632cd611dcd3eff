/** The controller of policies with the action deleteCheckpoints, on an API server in memory and fake timers. */
import { policyControllers } from "../../../../../controller/policies";
import { Metrics, type EventInput, type Transport } from "../../../../../kube";
import { FakeApi } from "../../../../../testbed/fake-api";
import { lead, runtimeOn } from "../../../../support/controller-runtime";
import { MEMORY } from "../cluster";

export const GROUP = "/apis/automation.cedana.ai/v1alpha1";
export const IN_A = `${GROUP}/namespaces/team-a`;
const NOW = Date.parse("2026-11-28T12:00:00Z");
export const WEEK = { olderThanSeconds: 7 * 86_400 };

export const seconds = (count: number) => jest.advanceTimersByTimeAsync(count * 1000);

/** The objects of a cluster, and the processes that lead. */
export class RetentionCluster {
  readonly api = new FakeApi();
  readonly events: EventInput[] = [];
  /** Of the first process. */
  readonly metrics = new Metrics();
  /** Called before a request is sent. */
  before: ((method: string, path: string) => void) | undefined;
  private readonly stops: AbortController[] = [];

  /** Starts the fake timers. */
  constructor() {
    jest.useFakeTimers({ now: NOW });
    this.put("/api/v1/namespaces", { metadata: { name: "team-a", labels: { tier: "gold" } } });
  }

  /** Ends all processes, and the fake timers. */
  async end(): Promise<void> {
    for (const stop of this.stops) stop.abort();
    await seconds(0);
    jest.useRealTimers();
  }

  put(path: string, object: object) {
    return this.api.put(path, object as Parameters<FakeApi["put"]>[1]);
  }

  /** Starts the controller as a leader. @returns the function that ends it */
  start(): () => void {
    const stop = new AbortController();
    this.stops.push(stop);
    const transport: Transport = {
      send: async (method, path, body, more) => {
        this.before?.(method, path);
        return this.api.send(method, path, body, more);
      },
      watch: (path, more) => this.api.watch(path, more),
    };
    const { events } = this;
    const metrics = this.stops.length === 1 ? this.metrics : new Metrics();
    const runtime = runtimeOn(transport, { events, metrics });
    const controllers = policyControllers({
      ...runtime,
      settings: { maxInFlight: 50, actions: ["deleteCheckpoints"], memory: MEMORY },
      checkpoints: { namespaces: "all", maxPerNode: 10 },
    });
    void lead(runtime, controllers, stop.signal);
    return () => stop.abort();
  }

  policy(deleteCheckpoints: object, more: object = {}): void {
    this.put(`${IN_A}/checkpointpolicies`, {
      apiVersion: "automation.cedana.ai/v1alpha1",
      kind: "CheckpointPolicy",
      metadata: { name: "retention", namespace: "team-a", generation: 1 },
      spec: {
        suspend: false,
        trigger: { heartbeat: { intervalSeconds: 600, jitterSeconds: 0 } },
        action: { deleteCheckpoints },
        minSpacingSeconds: 60,
        deadlineSeconds: 600,
        maxInFlight: 10,
        ...more,
      },
    });
  }

  /** Stores a completed Checkpoint of web-0 that ended some days ago. */
  checkpoint(name: string, days: number, more: { labels?: object; spec?: object; status?: object } = {}) {
    const { labels = { "cedana.ai/policy": "nightly", "cedana.ai/policy-uid": "u" }, spec, status } = more;
    const time = new Date(NOW - days * 86_400_000).toISOString();
    return this.put(`${IN_A}/checkpoints`, {
      apiVersion: "automation.cedana.ai/v1alpha1",
      kind: "Checkpoint",
      metadata: { name, namespace: "team-a", labels, creationTimestamp: time },
      spec: { podRef: { name: "web-0" }, ...spec },
      status: {
        podUID: "p",
        owner: { apiVersion: "apps/v1", kind: "StatefulSet", name: "web", uid: "s" },
        completionTime: time,
        sizeBytes: 100,
        conditions: [{ type: "Ready", status: "True", reason: "CheckpointCompleted", message: "" }],
        ...status,
      },
    });
  }

  /** Names of the Checkpoints in team-a. */
  async names(): Promise<string[]> {
    const { items } = (await this.api.send("GET", `${IN_A}/checkpoints`)) as {
      items: { metadata: { name: string } }[];
    };
    return items.map(({ metadata }) => metadata.name).toSorted();
  }

  statusOf(path = `${IN_A}/checkpointpolicies/retention`): Record<string, unknown> {
    return (this.api.get(path)?.["status"] ?? {}) as Record<string, unknown>;
  }
}
