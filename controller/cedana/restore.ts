import type { ContainerCheckpoint } from "../../api/checkpoint";
import type { Objects } from "../../kube";
import { EngineError, type Engine, type RestoreRequest } from "../engines";
import { engineOf, type Context } from "../checkpoints/context";
import { POD, type CedanaObject, type CheckpointObject } from "../checkpoints/objects";
import type { Busy } from "../checkpoints/slots";
import { judgePod } from "../checkpoints/source-pod";
import { phaseOf } from "../checkpoints/state";
import type { Result } from "./writer";

export type Plan =
  | {
      readonly is: "ready";
      readonly engine: Engine;
      readonly request: RestoreRequest;
      readonly busy: Busy;
      readonly from: string;
    }
  /** Not yet. */
  | { readonly is: "waiting"; readonly result: Result }
  /** Never. */
  | { readonly is: "impossible"; readonly result: Result };

/** Plans how a container is restored: from its last completed Checkpoint, into the present pod of the name. */
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
    const message = `there is no completed Checkpoint of container ${containerName} of pod ${sandboxName}`;
    return { is: "impossible", result: failed("NoCheckpoint", message) };
  }
  const engine = engineOf(context, source.object);
  if (!engine) {
    const message = `Checkpoint ${source.object.metadata.name} is of engine ${source.object.status.engine}, which does not exist`;
    return { is: "impossible", result: failed("EngineNotFound", message) };
  }
  const pod = await context.client.get(POD, { namespace, name: sandboxName }, { signal });
  const verdict = judgePod(pod, { podRef: { name: sandboxName }, containers: [containerName] }, undefined);
  if (verdict.is === "lost") return { is: "impossible", result: failed(verdict.reason, verdict.message) };
  if (verdict.is === "waiting") return { is: "waiting", result: failed("Pending", verdict.message) };
  const { podUID, nodeName } = verdict.facts;
  const key = `${namespace}/${sandboxName}`;
  const others = context.occupancy.on(key, nodeName, uid, Date.now());
  const blocking = others.find((one) => one.pod === key);
  if (blocking)
    return { is: "waiting", result: failed("Pending", `pod ${key} is in use by ${blocking.key}`) };
  if (others.length >= context.settings.maxPerNode) {
    const message = `node ${nodeName} has reached maxPerNode (${context.settings.maxPerNode})`;
    return { is: "waiting", result: failed("Pending", message) };
  }
  const { checkpointID, location } = source.container;
  return {
    is: "ready",
    engine,
    from: source.object.metadata.name,
    busy: { uid, pod: key, nodeName, key: `${namespace}/${name}` },
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
export async function restored(
  { inFlight, log }: Context,
  { engine, request, from }: Extract<Plan, { is: "ready" }>,
): Promise<Result> {
  try {
    await engine.restore(request, inFlight.signal);
  } catch (error) {
    if (!(error instanceof EngineError)) log.error({ err: error, pod: request.pod }, "engine threw");
    const unknown = !(error instanceof EngineError) || error.outcome === "unknown";
    const reason = error instanceof Error ? error.message : String(error);
    return failed(unknown ? "OutcomeUnknown" : "RestoreFailed", `restore of Checkpoint ${from}: ${reason}`);
  }
  const message = `restored container ${request.container} from Checkpoint ${from}`;
  return { ready: true, reason: "RestoreCompleted", message, status: { restoreDone: true } };
}

export function failed(reason: string, message: string): Result {
  return { ready: false, reason, message, status: { restoreDone: false } };
}

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
