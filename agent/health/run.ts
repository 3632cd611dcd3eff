import { setTimeout as pause } from "node:timers/promises";
import { isFinal } from "../../kube";
import {
  conditionOf,
  errorText,
  failed,
  type CheckName,
  type Finding,
  type HealthCondition,
} from "./finding";

/** The part of a logger that the health check uses. */
export interface Log {
  info(fields: object, text: string): void;
  warn(fields: object, text: string): void;
  error(fields: object, text: string): void;
}

export interface ProbeOptions {
  readonly check: CheckName;
  /** Checks once. The signal aborts when the result is no longer needed. */
  readonly run: (signal: AbortSignal) => Promise<Finding>;
  /** How long a finding that is ok is reused. Default: 0, checks in every round. */
  readonly reuseMs?: number;
}

/**
 * Runs one check in rounds. It never delays a round longer than the timeout. A check that hangs is not started again until it
 * ends: otherwise each round would use up another thread, connection or process.
 */
export class Probe {
  private inFlight?: { readonly sinceMs: number; readonly finding: Promise<Finding> };
  private last?: { readonly atMs: number; readonly finding: Finding };

  constructor(private readonly options: ProbeOptions) {}

  /** Returns the finding within the timeout. Never rejects: an error or a timeout is a failed finding. */
  async run(timeoutMs: number): Promise<Finding> {
    const { check, reuseMs = 0 } = this.options;
    const { last } = this;
    if (last?.finding.status === "ok" && Date.now() - last.atMs < reuseMs) return last.finding;
    this.inFlight ??= { sinceMs: Date.now(), finding: this.start(timeoutMs) };
    const { sinceMs, finding } = this.inFlight;
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<Finding>((resolve) => {
      timer = setTimeout(() => {
        const seconds = Math.max(1, Math.round((Date.now() - sinceMs) / 1000));
        resolve(failed(check, `the check has not finished for ${seconds} s`));
      }, timeoutMs);
    });
    try {
      return await Promise.race([finding, timeout]);
    } finally {
      clearTimeout(timer);
    }
  }

  private async start(timeoutMs: number): Promise<Finding> {
    const { check, run } = this.options;
    let finding: Finding;
    try {
      finding = await run(AbortSignal.timeout(timeoutMs));
    } catch (error) {
      finding = failed(check, `the check cannot run: ${errorText(error)}`);
    }
    this.inFlight = undefined;
    this.last = { atMs: Date.now(), finding };
    return finding;
  }
}

export interface HealthOptions {
  readonly probes: readonly Probe[];
  readonly report: (condition: HealthCondition, options: { readonly timeoutMs: number }) => Promise<void>;
  /** Returns whether the API server has a condition with this status from this process. */
  readonly isStored: (status: HealthCondition["status"]) => boolean;
  /** Called after the checks of each round, whether or not the API server responds. The liveness probe tests its effect. */
  readonly alive: () => Promise<void>;
  /** Called after each round whose status the API server has. The readiness probe tests its effect. */
  readonly reported: () => Promise<void>;
  readonly log: Log;
  /** Checks whose failure does not gate the node. */
  readonly warnOnly: readonly CheckName[];
  readonly periodSeconds: number;
  /** Timeout of one check. */
  readonly timeoutSeconds: number;
}

/** Timeout for storing the condition of a round. */
const REPORT_TIMEOUT_MS = 10_000;

/**
 * Runs all probes in rounds until the signal. Errors are logged and retried in the next round. A round takes at most
 * `timeoutSeconds` and the time of the report.
 *
 * Does not change the condition at the end: a pod that is being deleted, or whose container does not run, is not Ready
 * whatever the condition says, and a write could delay the shutdown.
 */
export async function runHealth(options: HealthOptions, signal: AbortSignal): Promise<void> {
  const { report, alive, reported, log, periodSeconds } = options;
  const logged = new Map<string, Finding>();
  while (!signal.aborted) {
    const startedMs = Date.now();
    const findings = await Promise.all(
      options.probes.map((probe) => probe.run(options.timeoutSeconds * 1000)),
    );
    if (signal.aborted) return;
    for (const finding of findings) logChange(finding, logged, log);
    await alive();
    const condition = conditionOf(findings, options.warnOnly);
    try {
      await report(condition, { timeoutMs: REPORT_TIMEOUT_MS });
      await reported();
    } catch (error) {
      log.error({ error: errorText(error) }, "cannot store the condition in the pod's status");
      // Without a response, what the API server has still holds. A rejected write is a fault of this pod.
      if (!isFinal(error) && options.isStored(condition.status)) await reported();
    }
    const restMs = Math.max(0, periodSeconds * 1000 - (Date.now() - startedMs));
    await pause(restMs, undefined, { signal }).catch(() => undefined);
  }
}

/** Logs a finding if its status changed, or its message while it is not ok. */
function logChange(finding: Finding, logged: Map<string, Finding>, log: Log): void {
  const { check, status, message, remedy } = finding;
  const before = logged.get(check);
  if (before?.status === status && (status === "ok" || before.message === message)) return;
  logged.set(check, finding);
  const level = { ok: "info", warning: "warn", failed: "error" } as const;
  log[level[status]]({ check, status, remedy }, message);
}
