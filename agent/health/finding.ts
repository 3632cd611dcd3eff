/** The checks, in the order in which they are reported. */
export const CHECKS = [
  "criu",
  "criuLink",
  "kernel",
  "cgroup",
  "runtime",
  "kubelet",
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
