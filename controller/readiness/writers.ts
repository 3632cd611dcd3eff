import { ApiError, isNotFound, retryOnConflict, type Client, type Events, type Metrics } from "../../kube";
import { NODE_STATES, type DisruptionLimit, type NodeStats } from "./disruption-limit";
import type { GateSettings } from "../../config/programs/controller";
import {
  conditionPatch,
  decideCondition,
  decideTaint,
  taintPatch,
  type Cause,
  type GateKinds,
  type GateNode,
} from "./rules";
import type { NodeSnapshots } from "./sources";

/** Result of a write of the taint. `conflict`: another client wrote the node first, and the write is retried. */
const RESULTS = ["success", "conflict", "gone", "error", "dryRun"] as const;
export type OperationResult = (typeof RESULTS)[number];

/** Upper bounds in seconds. The kubelet stamps readiness to the second, so shorter times cannot be measured. */
const SECONDS = [1, 2, 3, 5, 10, 20, 30, 60, 120, 300];

/** The gate's own metrics. */
export class GateMetrics {
  private readonly operations;
  private readonly seconds;

  constructor(metrics: Metrics, stats: NodeStats, limit: Pick<DisruptionLimit, "isReached">) {
    metrics.gauge("cedana_readiness_nodes", "Number of nodes by state", ["state"], (gauge) => {
      for (const state of NODE_STATES) gauge.set({ state }, stats.of(state));
    });
    metrics.gauge(
      "cedana_readiness_oldest_waiting_seconds",
      "Age of the longest wait of a node for the removal of its taint, in seconds; 0 if none waits",
      [],
      (gauge) => gauge.set(stats.oldestWaitingSeconds(Date.now())),
    );
    metrics.gauge(
      "cedana_readiness_disruption_limit_reached",
      "1 if the disruption limit prevents taints, else 0",
      [],
      (gauge) => gauge.set(limit.isReached ? 1 : 0),
    );
    this.operations = metrics.counter(
      "cedana_readiness_taint_operations_total",
      "Number of writes of the taint by operation and result",
      ["operation", "result"],
      RESULTS.flatMap((result) => ["add", "remove"].map((operation) => ({ operation, result }))),
    );
    this.seconds = metrics.histogram(
      "cedana_readiness_seconds",
      "Time from all agents of a node being Ready to the removal of its taint, in seconds",
      [],
      SECONDS,
    );
  }

  operation(operation: "add" | "remove", result: OperationResult): void {
    this.operations.inc({ operation, result });
  }

  opened(seconds: number): void {
    this.seconds.observe(Math.max(0, seconds));
  }
}

/** A completed write of a node's taint. */
export interface TaintWritten {
  readonly node: GateNode;
  readonly operation: "add" | "remove";
  readonly cause: Cause;
  /** How often it was removed within the last minute. */
  readonly removals: number;
}

/** Writes the taint of nodes. */
export class TaintWriter {
  constructor(
    private readonly client: Client,
    private readonly snapshots: NodeSnapshots,
    private readonly kinds: Pick<GateKinds, "nodes">,
    private readonly settings: Pick<GateSettings, "taint">,
    private readonly metrics: Pick<GateMetrics, "operation" | "opened">,
  ) {}

  /**
   * Decides and writes. After a conflict it reads the node and decides again.
   *
   * @returns the write; undefined if the taint is as decided or the node was deleted
   * @throws ApiError if the API server rejects the write, also for taints that changed at each attempt
   */
  write(name: string, signal: AbortSignal): Promise<TaintWritten | undefined> {
    return retryOnConflict(
      () => this.attempt(name, signal),
      async () => (await this.client.get(this.kinds.nodes, { name }, { signal })) !== undefined,
    );
  }

  private async attempt(name: string, signal: AbortSignal): Promise<TaintWritten | undefined> {
    const snapshot = this.snapshots.get(name);
    const change = snapshot && decideTaint(snapshot).change;
    const patch = change && taintPatch(snapshot.node, change.operation, this.settings.taint);
    if (!patch) return undefined;
    try {
      await this.client.jsonPatch(this.kinds.nodes, { name }, patch, { signal });
    } catch (error) {
      this.metrics.operation(change.operation, resultOf(error));
      throw error;
    }
    this.metrics.operation(change.operation, "success");
    const { assessment, history } = snapshot;
    const sinceMs = Math.max(assessment.readySinceMs ?? 0, history.taintedSinceMs ?? 0);
    if (change.cause === "Ready") this.metrics.opened((Date.now() - sinceMs) / 1000);
    this.snapshots.recordWrite(name, {
      ...(change.operation === "remove" && { removed: true }),
      ...(change.cause === "FailedOpen" && { failedOpen: true }),
    });
    return { ...change, node: snapshot.node, removals: history.removedAtMs.length + 1 };
  }
}

function resultOf(error: unknown): "gone" | "conflict" | "error" {
  const status = error instanceof ApiError ? error.status : undefined;
  if (status === 404) return "gone";
  return status === 409 || status === 422 ? "conflict" : "error";
}

/** Writes the condition of nodes. */
export class ConditionWriter {
  constructor(
    private readonly client: Client,
    private readonly snapshots: NodeSnapshots,
    private readonly kinds: Pick<GateKinds, "nodes">,
    private readonly events: Events,
  ) {}

  /**
   * Writes the condition, unless the taint must change first: the taint's reconcile then enqueues the node again.
   * @throws ApiError if the API server rejects the write; also 409, for a concurrent write of the node
   */
  async write(name: string, signal: AbortSignal): Promise<void> {
    const snapshot = this.snapshots.get(name);
    if (!snapshot || decideTaint(snapshot).change) return;
    const { change, warn } = decideCondition(snapshot);
    if (!change) return;
    const { node, now } = snapshot;
    const target = { name, uid: node.metadata.uid };
    const patch = conditionPatch(node, change, now);
    try {
      const options = { subresource: "status", signal } as const;
      await this.client.strategicPatch(this.kinds.nodes, target, patch, options);
    } catch (error) {
      if (isNotFound(error)) return;
      throw error;
    }
    this.snapshots.recordWrite(name, { condition: true });
    if (warn && change !== "remove") {
      this.events.record({
        regarding: { apiVersion: "v1", kind: "Node", name, uid: node.metadata.uid },
        type: "Warning",
        reason: change.reason,
        action: change.reason === "FailedOpen" || change.status === "True" ? "OpenGate" : "HoldGate",
        note: change.message,
      });
    }
  }
}
