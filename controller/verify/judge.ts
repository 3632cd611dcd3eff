import type { VerificationOutcome } from "../../api";
import { exitOf, type Progress } from "../restore/outcome/progress";
import { hasEnded } from "../restore/pods";
import type { FailureCause } from "../restore/reasons";
import type { SandboxObject } from "./objects";
import type { SandboxSettings } from "./sandbox";

/** The outcome of a verification. */
export interface Verdict {
  readonly outcome: VerificationOutcome;
  readonly reason: string;
  readonly message: string;
}

/** Since when all restored containers run, ms, as this process observed it. Undefined if one does not. */
export type RunningSince = number | undefined;

export type Step =
  | { readonly is: "wait"; readonly untilMs: number; readonly runningSinceMs: RunningSince }
  | ({ readonly is: "done" } & Verdict);

/**
 * What nodes report for restores that did not begin, or were interrupted: it is unknown whether the checkpoint can be restored.
 * Not `RegistryFailed` and `DeadlineExceeded`: agents report so too that the registry does not have a layer, after all retries.
 */
const NOT_TRIED: ReadonlySet<FailureCause> = new Set<FailureCause>([
  "PlanMissing",
  "Interrupted",
  "CheckpointDeleted",
]);

/**
 * Decides what a verification has come to. It reads no clock and keeps nothing: the caller passes the time, and `runningSinceMs` of
 * the last step. A process that starts in between observes the whole of `runSeconds` itself.
 * @param progress of the restore, by the report of the node
 */
export function judge(
  pod: SandboxObject & { readonly settings: SandboxSettings },
  progress: Progress,
  nowMs: number,
  since: RunningSince,
): Step {
  const { runSeconds, timeoutSeconds, hasProbe } = pod.settings;
  const deadlineMs = Date.parse(pod.metadata.creationTimestamp) + timeoutSeconds * 1000;
  if (progress.is === "failed")
    return done(NOT_TRIED.has(progress.cause) ? "Skipped" : "Failed", progress.cause, progress.message);
  if (pod.metadata.deletionTimestamp !== undefined)
    return done("Skipped", "PodDeleted", "the sandbox pod was deleted before the verification ended");
  if (hasEnded(pod) && pod.reason !== undefined)
    return done("Skipped", "PodEnded", `the sandbox pod was ended: ${pod.reason}`);
  if (progress.is === "restored") {
    const exit = exitOf(pod);
    if (exit) {
      const message = `container ${exit.name} resumed from the checkpoint and exited with code ${exit.exitCode} before the verification ended`;
      return done("Failed", "Exited", message);
    }
  }
  const runs = progress.is === "restored" && pod.containers.every(({ state }) => state?.running === true);
  const runningSinceMs = runs ? (since ?? nowMs) : undefined;
  const enoughMs = runningSinceMs === undefined ? undefined : runningSinceMs + runSeconds * 1000;
  if (enoughMs !== undefined && nowMs >= enoughMs && (!hasProbe || pod.ready)) {
    const ran = `its containers were restored and ran for ${runSeconds} s`;
    return hasProbe
      ? done("Verified", "ProbeSucceeded", `${ran}, and the probe succeeded`)
      : done("Verified", "Running", ran);
  }
  if (nowMs >= deadlineMs) return late(pod, progress, nowMs, enoughMs);
  const untilMs = enoughMs === undefined || nowMs >= enoughMs ? deadlineMs : Math.min(enoughMs, deadlineMs);
  return { is: "wait", untilMs, runningSinceMs };
}

/**
 * Returns the outcome of a verification whose time is over.
 * @param enoughMs when the containers have run for long enough. Undefined: they do not run
 */
function late(
  {
    nodeName,
    waiting,
    settings: { timeoutSeconds, runSeconds },
  }: SandboxObject & { readonly settings: SandboxSettings },
  progress: Progress,
  nowMs: number,
  enoughMs: number | undefined,
): Step {
  const within = `within timeoutSeconds (${timeoutSeconds})`;
  const detail = waiting === undefined ? "" : `: ${waiting}`;
  if (enoughMs !== undefined && nowMs >= enoughMs)
    return done("Failed", "ProbeFailed", `the probe did not succeed ${within}`);
  // A container that ended before it was started is no exit for the kubelet.
  if (progress.is === "restored" && enoughMs === undefined)
    return done("Failed", "NotRunning", `its containers were restored and do not run${detail}`);
  if (progress.is === "restored")
    return done(
      "Skipped",
      "DeadlineExceeded",
      `its containers did not run for ${runSeconds} s ${within}${detail}`,
    );
  if (nodeName === undefined)
    return done("Skipped", "NotScheduled", `the sandbox pod got no node ${within}${detail}`);
  return done("Skipped", "NotRestored", `node ${nodeName} reported no restore ${within}${detail}`);
}

function done(outcome: VerificationOutcome, reason: string, message: string): Step {
  return { is: "done", outcome, reason, message };
}
