import type { ContainerState, RestoredPod, RestoringContainer, Terminated } from "../pods";

/** How far a restore has come. */
export type Progress =
  /** The pod's containers have their own images. */
  | { readonly is: "own" }
  | { readonly is: "pending" }
  /** All containers go on from the checkpoint, or did. */
  | { readonly is: "restored" }
  /** The kubelet tries again. After so long in this state it is taken for failed. */
  | { readonly is: "failing"; readonly message: string; readonly patienceMs: number }
  | { readonly is: "failed"; readonly message: string };

/** A container runtime that could not restore. Registries are away for longer than that. */
const START_PATIENCE_MS = 60_000;
const PULL_PATIENCE_MS = 180_000;
/** After so many starts that failed no more are waited for. */
const STARTS = 3;
/** A restored container that fails begins from the checkpoint again: after so many times it is not the checkpoint it needs. */
const RESTARTS = 3;

/** The kubelet's reasons, where the image of the checkpoint or its base is what fails. */
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

/** What the pod's status says of its restore. */
export function progressOf(pod: RestoredPod): Progress {
  const open = pod.containers.filter(({ image, original }) => image !== original);
  if (open.length === 0) return { is: "own" };
  const all = open.map((container) => progressIn(pod, container));
  return (
    all.find(({ is }) => is === "failed") ??
    all.find(({ is }) => is === "failing") ??
    all.find(({ is }) => is === "pending") ?? { is: "restored" }
  );
}

/** Whether a container of the pod has begun from the checkpoint, as far as was seen. */
export function hasRun(pod: RestoredPod): boolean {
  return pod.containers.some(({ state }) => {
    if (!state) return false;
    const ended = [state.terminated, state.last].some((one) => one !== undefined && !isStartError(one));
    return state.running || ended;
  });
}

function progressIn(pod: RestoredPod, { name, state }: RestoringContainer): Progress {
  if (state === undefined) return { is: "pending" };
  const trouble = troubleOf(state);
  if (trouble === undefined) {
    const ran = state.running || state.terminated !== undefined || state.last !== undefined;
    return ran ? { is: "restored" } : { is: "pending" };
  }
  const message = `container ${name}: ${trouble.message}`;
  const over = pod.phase === "Failed" || trouble.over;
  return over ? { is: "failed", message } : { is: "failing", message, patienceMs: trouble.patienceMs };
}

function troubleOf(
  state: ContainerState,
): { readonly message: string; readonly patienceMs: number; readonly over: boolean } | undefined {
  const { waiting, terminated, last, restartCount, running } = state;
  if (running) return undefined;
  const start = [terminated, last].find((one) => one !== undefined && isStartError(one));
  const over = restartCount >= STARTS - 1;
  if (waiting && PULL.has(waiting.reason))
    return { message: said(waiting), patienceMs: PULL_PATIENCE_MS, over: false };
  if (waiting && START.has(waiting.reason))
    return { message: said(waiting), patienceMs: START_PATIENCE_MS, over };
  if (start) return { message: said(start), patienceMs: START_PATIENCE_MS, over };
  const ended = terminated ?? last;
  if (restartCount < RESTARTS || ended === undefined || ended.exitCode === 0) return undefined;
  const message = `it went on from the checkpoint and ended with code ${ended.exitCode}, ${restartCount} times`;
  return { message, patienceMs: 0, over: true };
}

const isStartError = ({ reason }: Terminated) => START.has(reason);

const said = ({ reason, message }: { readonly reason: string; readonly message: string }) =>
  message === "" ? reason : `${reason}: ${message}`;
