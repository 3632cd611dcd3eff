/** The engine cedana. */
import { ManagerClient, ManagerError } from "../../../clients/cedana/manager";
import {
  EngineError,
  type CheckpointRequest,
  type CheckpointResult,
  type EngineContainer,
  type RestoreEngine,
  type RestoreRequest,
} from "../engine";
import type { CheckpointSettings } from "../../../config/programs/controller";

type Manager = Pick<ManagerClient, "checkpoint" | "restore">;

/** Cedana, through the REST API of its manager. Requests name the pod, because the API has no UIDs. */
export class CedanaEngine implements RestoreEngine {
  readonly name = "cedana";
  readonly canResume = false;
  readonly handlesCedanas = true;

  constructor(
    private readonly manager: Manager,
    /** Timeout of the manager's client. */
    readonly timeoutMs: number,
  ) {}

  async checkpoint(request: CheckpointRequest, signal: AbortSignal): Promise<CheckpointResult> {
    const { location, leaveRunning } = request;
    const { checkpointId } = await withEngineError(
      this.manager.checkpoint({ ...named(request), path: location, leaveRunning }, signal),
    );
    return {
      ...(checkpointId === undefined ? {} : { checkpointID: checkpointId }),
      ...(location === undefined ? {} : { location }),
    };
  }

  async restore(request: RestoreRequest, signal: AbortSignal): Promise<void> {
    const { location, checkpointID } = request;
    // With a path the id must be empty: the API would read the checkpoint from remote storage.
    const source = location === undefined ? { checkpointId: checkpointID } : { path: location };
    await withEngineError(this.manager.restore({ ...named(request), ...source }, signal));
  }
}

function named({ namespace, pod, container }: EngineContainer) {
  return { namespace, sandboxName: pod, containerName: container };
}

/** Converts the errors of the client. */
async function withEngineError<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (!(error instanceof ManagerError)) throw error;
    const { message, outcome, retryable } = error;
    throw new EngineError(message, { outcome, retryable, cause: error });
  }
}

/** Creates the engine with a client of Cedana's manager. */
export function createCedanaEngine({
  manager: { url, root, timeoutSeconds },
}: Extract<CheckpointSettings, { readonly engine: "cedana" }>): CedanaEngine {
  const timeoutMs = timeoutSeconds * 1000;
  return new CedanaEngine(new ManagerClient({ url, root, timeoutMs }), timeoutMs);
}
