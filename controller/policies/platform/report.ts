import {
  PLATFORM_OPERATIONS,
  type PlatformError,
  type PlatformOperation,
} from "../../../clients/cedana/platform";
import type { Events, Logger, Metrics } from "../../../kube";
import { POLICY, type PolicyObject } from "../objects";
import type { CopyState } from "./states";

/** States of copies in metrics. `removing`: the copy is no longer needed and has not been deleted yet. */
export const COPY_STATES = ["mirrored", "pending", "drifted", "failed", "invalid", "removing"] as const;

const OUTCOMES = ["succeeded", "refused", "failed", "unknown"] as const;

/** Reports what happens to copies by log, events and metrics. */
export class PlatformReport {
  private readonly requests;

  constructor(
    private readonly options: {
      readonly events: Events;
      readonly metrics: Metrics;
      readonly log: Pick<Logger, "info" | "warn">;
      readonly counts: () => ReadonlyMap<(typeof COPY_STATES)[number], number>;
    },
  ) {
    const { metrics, counts } = options;
    this.requests = metrics.counter(
      "cedana_platform_requests_total",
      "Number of requests about policies to Cedana's platform, by operation and outcome",
      ["operation", "outcome"],
      PLATFORM_OPERATIONS.flatMap((operation) => OUTCOMES.map((outcome) => ({ operation, outcome }))),
    );
    metrics.gauge(
      "cedana_platform_policies",
      "Number of policies that Cedana's platform executes, by the state of their copies",
      ["state"],
      (gauge) => {
        const all = counts();
        for (const state of COPY_STATES) gauge.set({ state }, all.get(state) ?? 0);
      },
    );
  }

  request(operation: PlatformOperation, error: PlatformError | undefined): void {
    this.requests.inc({ operation, outcome: error?.outcome ?? "succeeded" });
  }

  /** Logs a change in the platform. */
  done(
    what: "created" | "found" | "updated" | "deleted",
    namespace: string,
    policy: string,
    id: string,
  ): void {
    this.options.log.info({ namespace, policy, platformPolicy: id }, `copy of a policy ${what}`);
  }

  /** Logs a failed request about one policy. */
  failed(
    { namespace, name }: { readonly namespace?: string; readonly name?: string } = {},
    error: Error,
  ): void {
    this.options.log.warn({ namespace, policy: name, err: error }, "copy of a policy not written");
  }

  /** Logs why the copy of a deleted policy stays. */
  unresolved(
    { namespace, name }: { readonly namespace?: string; readonly name?: string } = {},
    why: string,
  ): void {
    this.options.log.warn({ namespace, policy: name, why }, "copy of a deleted policy not deleted");
  }

  /** Reports that a round failed, because of the platform or the API server. */
  interrupted(error: unknown, retryMs: number): void {
    this.options.log.warn({ err: error, retryMs }, "policies not compared with the platform");
  }

  /** Reports a new phase as an event of the policy. */
  changed({ metadata }: PolicyObject, { phase, message }: CopyState): void {
    if (phase === "pending" || phase === "none") return;
    const { apiVersion, kind } = POLICY;
    const { name, uid, namespace } = metadata;
    this.options.events.record({
      regarding: { apiVersion, kind, name, uid, ...(namespace === undefined ? {} : { namespace }) },
      type: phase === "mirrored" ? "Normal" : "Warning",
      reason: REASONS[phase],
      action: "Mirror",
      note: message,
    });
  }
}

const REASONS = {
  mirrored: "Mirrored",
  drifted: "Drifted",
  failed: "PlatformFailed",
  invalid: "InvalidExecutor",
} as const;
