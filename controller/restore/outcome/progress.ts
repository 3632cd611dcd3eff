import type { FailureCause } from "../reasons";
import type { ContainerState, RestoredPod, Terminated } from "../pods";

/** Progress of the restore of a pod. */
export type Progress =
  | { readonly is: "pending" }
  /** All containers have resumed from the checkpoint. */
  | { readonly is: "restored" }
  /** The outcome stays unknown after `graceMs` in this state. */
  | { readonly is: "silent"; readonly message: string; readonly graceMs: number }
  | { readonly is: "failed"; readonly message: string; readonly cause: FailureCause };

/** Restarts after which the restore has failed: each one resumes from the checkpoint again. */
const MAX_RESTARTS = 3;

/** The kubelet's reasons for a container that was not started. */
const START_ERRORS = new Set([
  "CreateContainerError",
  "RunContainerError",
  "StartError",
  "ContainerCannotRun",
]);

/** Checks whether a container of the pod has started, as far as observed. */
export function hasRun(pod: RestoredPod): boolean {
  return pod.containers.some(({ state }) => {
    if (!state) return false;
    const ended = [state.terminated, state.last].some((one) => one !== undefined && !isStartError(one));
    return state.running || ended;
  });
}

/** Returns why restores failed that began again whenever a container exited; undefined if they did not. */
export function exitFailure(pod: RestoredPod): string | undefined {
  for (const { name, state } of pod.containers) {
    const message = state === undefined || state.running ? undefined : repeatedExit(state);
    if (message !== undefined) return `container ${name}: ${message}`;
  }
  return undefined;
}

function repeatedExit({ terminated, last, restartCount }: ContainerState): string | undefined {
  const ended = terminated ?? last;
  if (restartCount < MAX_RESTARTS || ended === undefined || ended.exitCode === 0) return undefined;
  return `it resumed from the checkpoint and exited with code ${ended.exitCode}, ${restartCount} times`;
}

const isStartError = ({ reason }: Terminated) => START_ERRORS.has(reason);
