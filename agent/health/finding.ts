import { rawKind, type Client } from "../../kube";
import { HEALTH_CONDITION } from "../../config/programs/agent";

/** The checks, in the order in which they are reported. */
export const CHECKS = [
  "criu",
  "criuLink",
  "kernel",
  "cgroup",
  "runtime",
  "nodeService",
  "space",
  "registry",
  "ioUring",
] as const;
export type CheckName = (typeof CHECKS)[number];

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

/** The condition of the pod, without type and time. */
export interface HealthCondition {
  readonly status: "True" | "False";
  readonly reason: "ChecksPassed" | "PassedWithWarnings" | "CheckFailed";
  /** The failures, else the warnings, else empty: `check: text`, separated by `; `. */
  readonly message: string;
}

const MAX_LENGTH = 1024;

/** Returns the condition that summarizes all findings. */
export function conditionOf(findings: readonly Finding[]): HealthCondition {
  const withStatus = (status: Finding["status"]) =>
    findings
      .filter((finding) => finding.status === status)
      .toSorted((a, b) => CHECKS.indexOf(a.check) - CHECKS.indexOf(b.check));
  const failures = withStatus("failed").map((finding) => `${finding.check}: ${textOf(finding)}`);
  if (failures.length > 0)
    return { status: "False", reason: "CheckFailed", message: truncatedList(failures) };
  const warnings = withStatus("warning").map((finding) => `${finding.check} (warning): ${textOf(finding)}`);
  const reason = warnings.length > 0 ? "PassedWithWarnings" : "ChecksPassed";
  return { status: "True", reason, message: truncatedList(warnings) };
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

interface Condition extends HealthCondition {
  readonly lastTransitionTime: string;
}

/** Shortest time between two messages of the same status. Amounts in them change all the time. */
const MESSAGE_INTERVAL_MS = 60_000;
/** Time between two writes of the same condition, in case one was lost; the API server stores nothing if nothing changes. */
const REPEAT_INTERVAL_MS = 600_000;

const POD = rawKind("v1", "Pod", "pods");

/** Writes the condition of the process's own pod. */
export class Reporter {
  private written?: { readonly condition: Condition; readonly atMs: number };

  constructor(
    private readonly client: Client,
    private readonly pod: OwnPod,
  ) {}

  /**
   * Writes the condition if it differs from the last one.
   * @throws ApiError if the API server rejects the write: 404 the pod was deleted, 409 it is another one of the same name
   */
  async report(desired: HealthCondition, options: { readonly timeoutMs: number }): Promise<void> {
    const now = Date.now();
    // After a restart of the container, the time of the last change is in the stored condition.
    const before = this.written ?? { condition: await this.read(options), atMs: Number.NEGATIVE_INFINITY };
    const { condition } = before;
    const age = now - before.atMs;
    if (condition?.status === desired.status) {
      const same = condition.reason === desired.reason && condition.message === desired.message;
      if (age < (same ? REPEAT_INTERVAL_MS : MESSAGE_INTERVAL_MS)) return;
    }
    const lastTransitionTime =
      condition?.status === desired.status ? condition.lastTransitionTime : timeOf(now);
    const next = { ...desired, lastTransitionTime };
    await this.patch({ status: { conditions: [{ type: HEALTH_CONDITION, ...next }] } }, options);
    this.written = { condition: next, atMs: now };
  }

  /** Reads by an empty patch: the account may only patch its pod's status. */
  private async read(options: { readonly timeoutMs: number }): Promise<Condition | undefined> {
    const pod = (await this.patch({}, options)) as {
      status?: { conditions?: readonly (Condition & { type: string })[] };
    };
    return pod.status?.conditions?.find(({ type }) => type === HEALTH_CONDITION);
  }

  private patch(patch: object, { timeoutMs }: { readonly timeoutMs: number }): Promise<unknown> {
    return this.client.strategicPatch(POD, this.pod, patch, { subresource: "status", timeoutMs });
  }
}

function timeOf(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d+Z$/, "Z");
}
