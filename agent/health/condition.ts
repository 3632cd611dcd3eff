import { CHECKS, type Finding } from "./finding";

export interface ConditionWords {
  readonly status: "True" | "False";
  readonly reason: "ChecksPassed" | "PassedWithWarnings" | "CheckFailed";
  /** What has failed, else what is warned about, each `check: words`, with `; ` between. Empty if there is neither. */
  readonly message: string;
}

const MAX_LENGTH = 1024;

/** What all checks together say. */
export function conditionOf(findings: readonly Finding[]): ConditionWords {
  const of = (status: Finding["status"]) =>
    findings
      .filter((finding) => finding.status === status)
      .toSorted((a, b) => CHECKS.indexOf(a.check) - CHECKS.indexOf(b.check));
  const bad = of("failed");
  if (bad.length > 0) {
    const items = bad.map(({ check, words }) => `${check}: ${words}`);
    return { status: "False", reason: "CheckFailed", message: bounded(items) };
  }
  const items = of("warning").map(({ check, words }) => `${check} (warning): ${words}`);
  const reason = items.length > 0 ? "PassedWithWarnings" : "ChecksPassed";
  return { status: "True", reason, message: bounded(items) };
}

/** As many items as fit, the first ones first; how many more there are. */
function bounded(items: readonly string[]): string {
  const all = items.join("; ");
  if (all.length <= MAX_LENGTH) return all;
  for (let count = items.length - 1; count > 0; count--) {
    const text = `${items.slice(0, count).join("; ")}; and ${items.length - count} more`;
    if (text.length <= MAX_LENGTH) return text;
  }
  return `${all.slice(0, MAX_LENGTH - 3)}...`;
}
