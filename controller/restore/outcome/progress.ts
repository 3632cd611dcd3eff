import type { CheckpointObject } from "../../checkpoints/objects";
import { phaseOf } from "../../checkpoints/state";
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

/** Restarts after which the restore has failed: each one resumes from the same checkpoint again. */
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

/** Returns the container that ran and ended, as last observed; undefined if none did. */
export function exitOf({
  containers,
}: Pick<RestoredPod, "containers">): { readonly name: string; readonly exitCode: number } | undefined {
  for (const { name, state } of containers) {
    const ended = [state?.terminated, state?.last].find((one) => one !== undefined && !isStartError(one));
    if (ended !== undefined) return { name, exitCode: ended.exitCode };
  }
  return undefined;
}

/**
 * Returns why restores failed that began again whenever a container exited; undefined if they did not.
 * @param checkpoints of the pod: the newest that has all its restored containers took the place of the one before
 */
export function exitFailure(pod: RestoredPod, checkpoints: readonly CheckpointObject[]): string | undefined {
  const before = restartsBefore(pod, checkpoints);
  for (const { name, state } of pod.containers) {
    const message =
      state === undefined || state.running ? undefined : repeatedExit(state, before.get(name) ?? 0);
    if (message !== undefined) return `container ${name}: ${message}`;
  }
  return undefined;
}

/** Returns the restarts of the pod's containers before its newest checkpoint, by name. They only grow, so it has the most. */
function restartsBefore(
  pod: RestoredPod,
  checkpoints: readonly CheckpointObject[],
): ReadonlyMap<string, number> {
  const restarts = new Map<string, number>();
  for (const { status } of checkpoints) {
    const saved = new Map(status.containers?.map((one) => [one.name, one.restartCount ?? 0]));
    if (phaseOf(status) !== "completed" || pod.containers.some(({ name }) => !saved.has(name))) continue;
    for (const [name, count] of saved) restarts.set(name, Math.max(count, restarts.get(name) ?? 0));
  }
  return restarts;
}

function repeatedExit(
  { terminated, last, restartCount }: ContainerState,
  before: number,
): string | undefined {
  const ended = terminated ?? last;
  const times = restartCount - before;
  if (times < MAX_RESTARTS || ended === undefined || ended.exitCode === 0) return undefined;
  return `it resumed from the checkpoint and exited with code ${ended.exitCode}, ${times} times`;
}

const isStartError = ({ reason }: Terminated) => START_ERRORS.has(reason);
