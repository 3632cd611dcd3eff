import type { CriuContext } from "./context";
import { isTemporary, retried } from "./service";

/** Reasons with which the service keeps the plans of pods that were not restored, or that restart fresh. */
const USUAL = ["NotPlanned", "RestartsFresh"];

/**
 * Lets a restored container that ends resume from a newer checkpoint of its pod, if the plan of the pod restores it again. A
 * failure is only logged: the container then resumes from the checkpoint that the plan had.
 *
 * @param id of the NodeCheckpoint; its name is the UID of the checkpoint
 * @throws the signal's reason
 */
export async function replan(
  { node, times, log, settings }: CriuContext,
  id: { readonly uid: string; readonly name: string },
  podUID: string,
  stop: AbortSignal,
): Promise<void> {
  const untilMs = Date.now() + times.serviceMs;
  const { reserveBytes } = settings;
  try {
    const { replaced, reason, message } = await retried(
      () => node.replan({ podUID, checkpoint: id.name, reserveBytes }, stop),
      times.backoffMs,
      stop,
      (error) => isTemporary(error) && Date.now() < untilMs,
    );
    if (replaced) log.info({ ...id, podUID }, "a restored container that ends resumes from this checkpoint");
    else if (!USUAL.includes(reason ?? ""))
      log.info({ ...id, podUID, reason, message }, "the plan of the pod was not replaced");
  } catch (error) {
    stop.throwIfAborted();
    log.warn({ ...id, podUID, err: error }, "cannot replace the plan of the pod");
  }
}
