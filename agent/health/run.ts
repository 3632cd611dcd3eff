import { setTimeout as pause } from "node:timers/promises";
import { conditionOf, type ConditionWords } from "./condition";
import type { Finding } from "./finding";
import { wordsOf, type Probe } from "./probe";

/** A log of JSON lines. */
export interface Log {
  info(fields: object, text: string): void;
  warn(fields: object, text: string): void;
  error(fields: object, text: string): void;
}

export interface HealthOptions {
  readonly probes: readonly Probe[];
  readonly report: (words: ConditionWords, options: { readonly timeoutMs: number }) => Promise<void>;
  /** Told after each round whose outcome stands in the pod's status: what the kubelet's probes look at. */
  readonly alive: () => Promise<void>;
  readonly log: Log;
  readonly periodSeconds: number;
  /** Of one check. */
  readonly timeoutSeconds: number;
}

/** How long the API server may take to store the outcome of a round. */
const REPORT_TIMEOUT_MS = 10_000;

/**
 * Looks in rounds until the signal. What fails in a round is logged, and tried again in the next. A round ends within
 * `timeoutSeconds` and what the report takes.
 *
 * The condition is left as it is at the end. A pod that is being deleted, or whose container is not running, is not Ready
 * whatever the condition says, and a write on the way out could hold the end up.
 */
export async function runHealth(options: HealthOptions, signal: AbortSignal): Promise<void> {
  const { report, alive, log, periodSeconds } = options;
  const said = new Map<string, Finding>();
  while (!signal.aborted) {
    const startedMs = Date.now();
    const findings = await Promise.all(
      options.probes.map((probe) => probe.look(options.timeoutSeconds * 1000)),
    );
    if (signal.aborted) return;
    for (const finding of findings) tell(finding, said, log);
    try {
      await report(conditionOf(findings), { timeoutMs: REPORT_TIMEOUT_MS });
      await alive();
    } catch (error) {
      log.error({ error: wordsOf(error) }, "the outcome cannot be stored in the pod's status");
    }
    const restMs = Math.max(0, periodSeconds * 1000 - (Date.now() - startedMs));
    await pause(restMs, undefined, { signal }).catch(() => undefined);
  }
}

/** Logs a finding when its status changes, and its words if it is not ok. */
function tell(finding: Finding, said: Map<string, Finding>, log: Log): void {
  const { check, status, words } = finding;
  const before = said.get(check);
  if (before?.status === status && (status === "ok" || before.words === words)) return;
  said.set(check, finding);
  const level = { ok: "info", warning: "warn", failed: "error" } as const;
  log[level[status]]({ check, status }, words);
}
