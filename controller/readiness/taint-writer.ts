import { ApiError, type Json, type KubernetesClient } from "../../kube/client";
import type { GateMetrics } from "./metrics";
import type { View } from "./view";
import { type Cause, decideTaint, type GateNode, pathOfNode, projectNode, taintPatch, WRITER } from "./rules";
import { type GateSettings } from "../../config/programs/controller";

/** Times that a write is tried against a list of taints that others change, before the node has to wait. */
const ATTEMPTS = 5;

/** What was done to a node's taint. */
export interface TaintWritten {
  readonly node: GateNode;
  readonly operation: "add" | "remove";
  readonly cause: Cause;
  /** How often it was taken away within the last minute. */
  readonly removals: number;
}

/** Makes the taint of nodes what it has to be. */
export class TaintWriter {
  constructor(
    private readonly client: Pick<KubernetesClient, "send">,
    private readonly view: View,
    private readonly settings: GateSettings,
    private readonly metrics: Pick<GateMetrics, "operation" | "opened">,
  ) {}

  /**
   * Decides and writes. If somebody else was faster, reads the node and decides anew.
   *
   * @returns what was done; undefined if there was nothing to do, or no node any more
   * @throws ApiError as the API server refuses it, in the end also for taints that changed at each attempt
   */
  async write(name: string, signal: AbortSignal): Promise<TaintWritten | undefined> {
    for (let attempt = 1; ; attempt++) {
      const situation = this.view.look(name);
      const change = situation && decideTaint(situation).change;
      const patch = change && taintPatch(situation.node, change.operation, this.settings.taint);
      if (!patch) return undefined;
      try {
        await this.learn(this.patch(name, patch, signal));
        this.metrics.operation(change.operation, "success");
        const { assessment, memory } = situation;
        const sinceMs = Math.max(assessment.readySinceMs ?? 0, memory.taintedSinceMs ?? 0);
        if (change.cause === "Ready") this.metrics.opened((Date.now() - sinceMs) / 1000);
        this.view.did(name, {
          ...(change.operation === "remove" && { removed: true }),
          ...(change.cause === "FailedOpen" && { failedOpen: true }),
        });
        return { ...change, node: situation.node, removals: memory.removedAtMs.length + 1 };
      } catch (error) {
        const status = error instanceof ApiError ? error.status : undefined;
        if (status === 404) {
          this.metrics.operation(change.operation, "gone");
          return undefined;
        }
        const conflict = status === 409 || status === 422;
        this.metrics.operation(change.operation, conflict ? "conflict" : "error");
        if (!conflict || attempt === ATTEMPTS) throw error;
        if (!(await this.refresh(name, signal))) return undefined;
      }
    }
  }

  private patch(name: string, content: unknown, signal: AbortSignal): Promise<unknown> {
    const body = { type: "application/json-patch+json", content };
    return this.client.send("PATCH", pathOfNode(name), body, { query: WRITER, signal });
  }

  /** @returns false if there is no such node */
  private async refresh(name: string, signal: AbortSignal): Promise<boolean> {
    try {
      await this.learn(this.client.send("GET", pathOfNode(name), undefined, { signal }));
      return true;
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) return false;
      throw error;
    }
  }

  private async learn(answer: Promise<unknown>): Promise<void> {
    this.view.learn(projectNode((await answer) as Json, this.settings));
  }
}
