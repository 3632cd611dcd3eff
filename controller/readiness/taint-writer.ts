import { ApiError, retryOnConflict, type Client } from "../../kube";
import type { GateSettings } from "../../config/programs/controller";
import type { GateMetrics } from "./metrics";
import { decideTaint, taintPatch, type Cause, type GateKinds, type GateNode } from "./rules";
import type { View } from "./view";

/** A write of a node's taint. */
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
    private readonly view: View,
    private readonly kinds: Pick<GateKinds, "nodes">,
    private readonly settings: Pick<GateSettings, "taint">,
    private readonly metrics: Pick<GateMetrics, "operation" | "opened">,
  ) {}

  /**
   * Decides and writes. After a conflict it reads the node and decides again.
   *
   * @returns the write; undefined if there was nothing to do, or the node was deleted
   * @throws ApiError if the API server rejects the write, also for taints that changed at each attempt
   */
  write(name: string, signal: AbortSignal): Promise<TaintWritten | undefined> {
    return retryOnConflict(
      () => this.attempt(name, signal),
      async () => (await this.client.get(this.kinds.nodes, { name }, { signal })) !== undefined,
    );
  }

  private async attempt(name: string, signal: AbortSignal): Promise<TaintWritten | undefined> {
    const situation = this.view.look(name);
    const change = situation && decideTaint(situation).change;
    const patch = change && taintPatch(situation.node, change.operation, this.settings.taint);
    if (!patch) return undefined;
    try {
      await this.client.jsonPatch(this.kinds.nodes, { name }, patch, { signal });
    } catch (error) {
      this.metrics.operation(change.operation, resultOf(error));
      throw error;
    }
    this.metrics.operation(change.operation, "success");
    const { assessment, memory } = situation;
    const sinceMs = Math.max(assessment.readySinceMs ?? 0, memory.taintedSinceMs ?? 0);
    if (change.cause === "Ready") this.metrics.opened((Date.now() - sinceMs) / 1000);
    this.view.did(name, {
      ...(change.operation === "remove" && { removed: true }),
      ...(change.cause === "FailedOpen" && { failedOpen: true }),
    });
    return { ...change, node: situation.node, removals: memory.removedAtMs.length + 1 };
  }
}

function resultOf(error: unknown): "gone" | "conflict" | "error" {
  const status = error instanceof ApiError ? error.status : undefined;
  if (status === 404) return "gone";
  return status === 409 || status === 422 ? "conflict" : "error";
}
