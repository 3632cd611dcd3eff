import type { ContainerState, RestoredPod, RestoringContainer, Terminated } from "../pods";

/** Progress of the restore of a pod. */
export type Progress =
  /** All containers have their original images. */
  | { readonly is: "original" }
  | { readonly is: "pending" }
  /** All containers have resumed from the checkpoint. */
  | { readonly is: "restored" }
  /** The kubelet retries. The restore counts as failed after `graceMs` in this state. */
  | { readonly is: "failing"; readonly message: string; readonly graceMs: number }
  /** The outcome stays unknown after `graceMs` in this state. */
  | { readonly is: "silent"; readonly message: string; readonly graceMs: number }
  | { readonly is: "failed"; readonly message: string };

/** Grace periods for errors of the container runtime, and of pulls: registries are unavailable for longer. */
const START_GRACE_MS = 60_000;
const PULL_GRACE_MS = 180_000;
/** Failed starts after which the restore has failed. */
const MAX_STARTS = 3;
/** Restarts after which the restore has failed: each one resumes from the checkpoint again. */
const MAX_RESTARTS = 3;

/** The kubelet's reasons for a failed pull of the checkpoint image or its base image. */
const PULL = new Set([
  "ErrImagePull",
  "ImagePullBackOff",
  "ErrImageNeverPull",
  "InvalidImageName",
  "ImageInspectError",
  "RegistryUnavailable",
  "SignatureValidationFailed",
]);
const START = new Set(["CreateContainerError", "RunContainerError", "StartError", "ContainerCannotRun"]);

/** Returns the progress of the restore, from the pod's status. */
export function progressOf(pod: RestoredPod): Progress {
  const restoring = pod.containers.filter(({ image, original }) => image !== original);
  if (restoring.length === 0) return { is: "original" };
  const all = restoring.map((container) => progressIn(pod, container));
  return (
    all.find(({ is }) => is === "failed") ??
    all.find(({ is }) => is === "failing") ??
    all.find(({ is }) => is === "pending") ?? { is: "restored" }
  );
}

/** Checks whether a container of the pod has started, as far as observed. */
export function hasRun(pod: RestoredPod): boolean {
  return pod.containers.some(({ state }) => {
    if (!state) return false;
    const ended = [state.terminated, state.last].some((one) => one !== undefined && !isStartError(one));
    return state.running || ended;
  });
}

/** Returns whether a deleted pod had started from the checkpoint; undefined if it had started, but maybe without it. */
export function resumedBeforeDeletion(pod: RestoredPod): boolean | undefined {
  const run = hasRun(pod);
  return run && pod.plan !== undefined ? undefined : run;
}

/** Returns why restores failed that began again whenever a container exited; undefined if they did not. */
export function exitFailure(pod: RestoredPod): string | undefined {
  for (const { name, state } of pod.containers) {
    const message = state === undefined || state.running ? undefined : repeatedExit(state);
    if (message !== undefined) return `container ${name}: ${message}`;
  }
  return undefined;
}

function progressIn(pod: RestoredPod, { name, state }: RestoringContainer): Progress {
  if (state === undefined) return { is: "pending" };
  const failure = failureOf(state);
  if (failure === undefined) {
    const ran = state.running || state.terminated !== undefined || state.last !== undefined;
    return ran ? { is: "restored" } : { is: "pending" };
  }
  const message = `container ${name}: ${failure.message}`;
  const over = pod.phase === "Failed" || failure.over;
  return over ? { is: "failed", message } : { is: "failing", message, graceMs: failure.graceMs };
}

function failureOf(
  state: ContainerState,
): { readonly message: string; readonly graceMs: number; readonly over: boolean } | undefined {
  const { waiting, terminated, last, restartCount, running } = state;
  if (running) return undefined;
  const start = [terminated, last].find((one) => one !== undefined && isStartError(one));
  const over = restartCount >= MAX_STARTS - 1;
  if (waiting && PULL.has(waiting.reason))
    return { message: textOf(waiting), graceMs: PULL_GRACE_MS, over: false };
  if (waiting && START.has(waiting.reason))
    return { message: textOf(waiting), graceMs: START_GRACE_MS, over };
  if (start) return { message: textOf(start), graceMs: START_GRACE_MS, over };
  const message = repeatedExit(state);
  return message === undefined ? undefined : { message, graceMs: 0, over: true };
}

function repeatedExit({ terminated, last, restartCount }: ContainerState): string | undefined {
  const ended = terminated ?? last;
  if (restartCount < MAX_RESTARTS || ended === undefined || ended.exitCode === 0) return undefined;
  return `it resumed from the checkpoint and exited with code ${ended.exitCode}, ${restartCount} times`;
}

const isStartError = ({ reason }: Terminated) => START.has(reason);

const textOf = ({ reason, message }: { readonly reason: string; readonly message: string }) =>
  message === "" ? reason : `${reason}: ${message}`;
