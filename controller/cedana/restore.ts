import type { ContainerCheckpoint } from "../../api";
import type { Objects } from "../../kube";
import { canRestore, EngineError, type RestoreEngine, type RestoreRequest } from "../engines";
import { engineOf, type Context } from "../checkpoints/context";
import { phaseOf } from "../checkpoints/state";
import { POD, checkSourcePod, type CedanaObject, type CheckpointObject } from "../checkpoints/objects";
import type { Reservation } from "../checkpoints/reservations";
import type { Result } from "./writer";

export type Plan =
  | {
      readonly is: "ready";
      readonly engine: RestoreEngine;
      readonly request: RestoreRequest;
      readonly reservation: Reservation;
      readonly from: string;
    }
  /** The pod may become ready, or its slot free. */
  | { readonly is: "pending"; readonly result: Result }
  /** The restore can never succeed. */
  | { readonly is: "impossible"; readonly result: Result };

/** Plans how a container is restored: from its last completed Checkpoint, into the current pod of the name. */
export async function planRestore(
  context: Context,
  checkpoints: Objects<CheckpointObject>,
  cedana: CedanaObject,
  signal: AbortSignal,
): Promise<Plan> {
  const { namespace, name, uid } = cedana.metadata;
  const { sandboxName = "", containerName = "" } = cedana.spec;
  const source = lastCompleted(checkpoints, namespace, sandboxName, containerName);
  if (!source) {
    const message = `pod ${sandboxName} has no completed Checkpoint of container ${containerName}`;
    return { is: "impossible", result: failed("NoCheckpoint", message) };
  }
  const engine = engineOf(context, source.object);
  if (!engine || !canRestore(engine)) {
    const problem = engine ? "cannot restore into a running pod" : "does not exist";
    const message = `engine ${source.object.status.engine} of Checkpoint ${source.object.metadata.name} ${problem}`;
    return { is: "impossible", result: failed("EngineNotFound", message) };
  }
  const pod = await context.client.get(POD, { namespace, name: sandboxName }, { signal });
  const target = checkSourcePod(
    pod,
    { podRef: { name: sandboxName }, containers: [containerName] },
    undefined,
    false,
  );
  if (target.is === "lost") return { is: "impossible", result: failed(target.reason, target.message) };
  if (target.is === "pending") return { is: "pending", result: failed("Pending", target.message) };
  const { podUID, nodeName } = target.facts;
  const key = `${namespace}/${sandboxName}`;
  const others = context.reservations.on(key, nodeName, uid, Date.now());
  const blocking = others.find((one) => one.pod === key);
  if (blocking)
    return { is: "pending", result: failed("Pending", `pod ${key} is in use by ${blocking.key}`) };
  if (others.length >= context.settings.maxPerNode) {
    const message = `node ${nodeName} has reached maxPerNode (${context.settings.maxPerNode})`;
    return { is: "pending", result: failed("Pending", message) };
  }
  const { checkpointID, location } = source.container;
  return {
    is: "ready",
    engine,
    from: source.object.metadata.name,
    reservation: { uid, pod: key, nodeName, key: `${namespace}/${name}` },
    request: {
      namespace,
      pod: sandboxName,
      podUID,
      nodeName,
      container: containerName,
      checkpointID,
      location,
    },
  };
}

/** Sends the restore to the engine. */
export async function requestRestore(
  { inFlight, log }: Context,
  { engine, request, from }: Extract<Plan, { is: "ready" }>,
): Promise<Result> {
  try {
    await engine.restore(request, inFlight.signal);
  } catch (error) {
    if (!(error instanceof EngineError))
      log.error({ err: error, pod: request.pod }, "unexpected engine error");
    const unknown = !(error instanceof EngineError) || error.outcome === "unknown";
    const reason = error instanceof Error ? error.message : String(error);
    return failed(unknown ? "OutcomeUnknown" : "RestoreFailed", `restore of Checkpoint ${from}: ${reason}`);
  }
  const message = `restored container ${request.container} from Checkpoint ${from}`;
  return { ready: true, reason: "RestoreCompleted", message, status: { restoreDone: true } };
}

/** Returns the result of a restore that is pending or failed. */
export function failed(reason: string, message: string): Result {
  return { ready: false, reason, message, status: { restoreDone: false } };
}

/** Returns the last completed Checkpoint of a container. */
function lastCompleted(
  checkpoints: Objects<CheckpointObject>,
  namespace: string,
  pod: string,
  container: string,
): { readonly object: CheckpointObject; readonly container: ContainerCheckpoint } | undefined {
  const candidates = checkpoints.list().flatMap((object) => {
    const { metadata, spec, status } = object;
    if (metadata.namespace !== namespace || spec.podRef.name !== pod || phaseOf(status) !== "completed")
      return [];
    const found = status.containers?.find(({ name }) => name === container);
    return found === undefined || metadata.deletionTimestamp !== undefined
      ? []
      : [{ object, container: found }];
  });
  const time = ({ container }: { readonly container: ContainerCheckpoint }) =>
    Date.parse(container.completionTime ?? "") || 0;
  return candidates.toSorted((a, b) => time(b) - time(a))[0];
}
