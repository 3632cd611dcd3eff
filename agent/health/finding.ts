import { rawKind, type Client } from "../../kube";
import {
  CHECKS_CONDITION,
  formatChecks,
  HEALTH_CONDITION,
  inOrder,
  PASSED_WITH_FAILURES,
  type CheckName,
} from "../../config/programs/agent";

export type { CheckName } from "../../config/programs/agent";

/** Result of one check. */
export interface Finding {
  readonly check: CheckName;
  /** warning: the node can checkpoint, but with a restriction. */
  readonly status: "ok" | "warning" | "failed";
  /** What was found, as a sentence without a full stop and without a secret. */
  readonly message: string;
  readonly remedy?: string;
}

export function ok(check: CheckName, message: string): Finding {
  return { check, status: "ok", message };
}

export function warning(check: CheckName, message: string, remedy?: string): Finding {
  return { check, status: "warning", message, ...(remedy !== undefined && { remedy }) };
}

export function failed(check: CheckName, message: string, remedy?: string): Finding {
  return { check, status: "failed", message, ...(remedy !== undefined && { remedy }) };
}

/** Returns message and remedy as one text. */
export function textOf({ message, remedy }: Finding): string {
  return remedy === undefined ? message : `${message}. ${remedy}`;
}

/** Returns the message of an error as part of a line. */
export function errorText(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return errorText(error.errors[0]);
  const text = error instanceof Error ? error.message : String(error);
  const line = text.replaceAll(/\s+/g, " ").trim();
  return line.length > 200 ? `${line.slice(0, 197)}...` : line;
}

/** The condition of the pod for people, without type and time. */
export interface HealthCondition {
  readonly status: "True" | "False";
  readonly reason: "ChecksPassed" | "PassedWithWarnings" | typeof PASSED_WITH_FAILURES | "CheckFailed";
  /** `check: text`, separated by `; `: the failures that gate the node, or the others and the warnings, or empty. */
  readonly message: string;
  /** The message of the second condition, for the controller's metrics: `space=failed`. */
  readonly checks: string;
}

const MAX_LENGTH = 1024;

/**
 * Returns the condition that summarizes all findings.
 * @param warnOnly checks whose failure does not gate the node
 */
export function conditionOf(
  findings: readonly Finding[],
  warnOnly: readonly CheckName[] = [],
): HealthCondition {
  const checks = formatChecks(findings);
  const ordered = inOrder(findings);
  const textsOf = (label: string, matches: (finding: Finding) => boolean) =>
    ordered.filter(matches).map((finding) => `${finding.check}${label}: ${textOf(finding)}`);
  const isGating = ({ check, status }: Finding) => status === "failed" && !warnOnly.includes(check);
  const gating = textsOf("", isGating);
  if (gating.length > 0)
    return { status: "False", reason: "CheckFailed", message: truncatedList(gating), checks };
  const failures = textsOf("", ({ status }) => status === "failed");
  const warnings = textsOf(" (warning)", ({ status }) => status === "warning");
  const passed = warnings.length > 0 ? "PassedWithWarnings" : "ChecksPassed";
  const reason = failures.length > 0 ? PASSED_WITH_FAILURES : passed;
  return { status: "True", reason, message: truncatedList([...failures, ...warnings]), checks };
}

/** Joins as many items as fit, and states how many were omitted. */
function truncatedList(items: readonly string[]): string {
  const all = items.join("; ");
  if (all.length <= MAX_LENGTH) return all;
  for (let count = items.length - 1; count > 0; count--) {
    const text = `${items.slice(0, count).join("; ")}; and ${items.length - count} more`;
    if (text.length <= MAX_LENGTH) return text;
  }
  return `${all.slice(0, MAX_LENGTH - 3)}...`;
}

/** The pod of this process. */
export interface OwnPod {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

/** A condition of a pod as the API server stores it. */
interface Condition {
  readonly type: string;
  readonly status: string;
  readonly reason: string;
  readonly message: string;
  readonly lastTransitionTime: string;
}

/** Shortest time between two messages of the same status. Amounts in them change all the time. */
const MESSAGE_INTERVAL_MS = 60_000;
/** Time between two writes of the same condition, in case one was lost; the API server stores nothing if nothing changes. */
const REPEAT_INTERVAL_MS = 600_000;

const POD = rawKind("v1", "Pod", "pods");

/** Writes the conditions of the process's own pod. */
export class Reporter {
  private written?: { readonly conditions: readonly Condition[]; readonly atMs: number };

  constructor(
    private readonly client: Client,
    private readonly pod: OwnPod,
  ) {}

  /**
   * Writes the conditions if they differ from the last ones.
   * @throws ApiError if the API server rejects the write: 404 the pod was deleted, 409 it is another one of the same name
   */
  async report(desired: HealthCondition, options: { readonly timeoutMs: number }): Promise<void> {
    const now = Date.now();
    // After a restart of the container, the times of the last changes are in the stored conditions.
    const before = this.written ?? {
      conditions: await this.read(options),
      atMs: Number.NEGATIVE_INFINITY,
    };
    const stored = (type: string) => before.conditions.find((one) => one.type === type);
    const next = conditionsOf(desired).map((condition): Condition => {
      const known = stored(condition.type);
      const changed = known?.status !== condition.status;
      return { ...condition, lastTransitionTime: changed ? timeOf(now) : known.lastTransitionTime };
    });
    if (stored(HEALTH_CONDITION)?.status === desired.status) {
      const same = next.every(({ type, reason, message }) => {
        const known = stored(type);
        return known?.reason === reason && known.message === message;
      });
      if (now - before.atMs < (same ? REPEAT_INTERVAL_MS : MESSAGE_INTERVAL_MS)) return;
    }
    await this.patch({ status: { conditions: next } }, options);
    this.written = { conditions: next, atMs: now };
  }

  /** Returns whether the last condition that this process wrote has the status. */
  isStored(status: HealthCondition["status"]): boolean {
    return this.written?.conditions.find(({ type }) => type === HEALTH_CONDITION)?.status === status;
  }

  /** Reads by an empty patch: the account may only patch its pod's status. */
  private async read(options: { readonly timeoutMs: number }): Promise<readonly Condition[]> {
    const pod = (await this.patch({}, options)) as { status?: { conditions?: readonly Condition[] } };
    return pod.status?.conditions ?? [];
  }

  private patch(patch: object, { timeoutMs }: { readonly timeoutMs: number }): Promise<unknown> {
    return this.client.strategicPatch(POD, this.pod, patch, { subresource: "status", timeoutMs });
  }
}

/** Returns both conditions without their times: for people, and for the controller. */
function conditionsOf({ checks, ...health }: HealthCondition): Omit<Condition, "lastTransitionTime">[] {
  const passed = checks === "";
  return [
    { type: HEALTH_CONDITION, ...health },
    {
      type: CHECKS_CONDITION,
      status: passed ? "True" : "False",
      reason: passed ? "AllPassed" : "NotAllPassed",
      message: checks,
    },
  ];
}

function timeOf(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d+Z$/, "Z");
}
