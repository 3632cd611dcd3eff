/** The checks of the health check, and how it reports them to the controller. */
import { GATING_CHECKS } from "../../engines/node-agent";

/** The checks, in the order in which they are reported. ioUring never fails. */
export const CHECKS = [...GATING_CHECKS, "ioUring"] as const;
export type CheckName = (typeof CHECKS)[number];

/** Results of a check that are reported. */
export const CHECK_PROBLEMS = ["warning", "failed"] as const;

/** A check with another result than ok. */
export interface CheckProblem {
  readonly check: CheckName;
  readonly status: (typeof CHECK_PROBLEMS)[number];
}

/** Pod condition of the health check whose message lists the checks that are not ok, for programs: `space=failed`. */
export const CHECKS_CONDITION = "cedana.ai/node-checks";

/** Reason of the health check's condition if only checks failed that do not gate the node: its message names them. */
export const PASSED_WITH_FAILURES = "PassedWithFailures";

/** Returns results in the order of the checks. */
export function inOrder<T extends { readonly check: CheckName }>(results: readonly T[]): readonly T[] {
  return results.toSorted((a, b) => CHECKS.indexOf(a.check) - CHECKS.indexOf(b.check));
}

/** Returns the message of the condition: `space=failed ioUring=warning`, in the order of the checks. Empty: all are ok. */
export function formatChecks(
  results: readonly { readonly check: CheckName; readonly status: "ok" | CheckProblem["status"] }[],
): string {
  return inOrder(results)
    .filter(({ status }) => status !== "ok")
    .map(({ check, status }) => `${check}=${status}`)
    .join(" ");
}

/** Returns the checks in a message of the condition. Words that this version does not know are ignored, and repeated ones. */
export function parseChecks(message: string): readonly CheckProblem[] {
  const words = new Set(message.split(" "));
  return CHECKS.flatMap((check) => {
    const status = CHECK_PROBLEMS.find((one) => words.has(`${check}=${one}`));
    return status === undefined ? [] : [{ check, status }];
  });
}
