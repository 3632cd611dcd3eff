import { ManagerError, type ManagerClient } from "../../../clients/cedana/manager";
import {
  EngineError,
  type CheckpointRequest,
  type CheckpointResult,
  type Engine,
  type EngineContainer,
  type RestoreRequest,
} from "../engine";

type Manager = Pick<ManagerClient, "checkpoint" | "restore" | "list" | "ping">;

/** Cedana, by the REST API of its manager. It names pods and not their UIDs, and cannot delete. */
export class CedanaEngine implements Engine {
  readonly name = "cedana";
  readonly canDelete = false;
  readonly canResume = false;

  constructor(
    private readonly manager: Manager,
    /** That of the manager's client. */
    readonly timeoutMs: number,
  ) {}

  async checkpoint(request: CheckpointRequest, signal: AbortSignal): Promise<CheckpointResult> {
    const { location, leaveRunning } = request;
    const { checkpointId } = await said(
      this.manager.checkpoint({ ...named(request), path: location, leaveRunning }, signal),
    );
    return {
      ...(checkpointId === undefined ? {} : { checkpointID: checkpointId }),
      ...(location === undefined ? {} : { location }),
    };
  }

  async restore(request: RestoreRequest, signal: AbortSignal): Promise<void> {
    const { location, checkpointID } = request;
    // With a path the id must be empty: the API takes it for a checkpoint in remote storage.
    const source = location === undefined ? { checkpointId: checkpointID } : { path: location };
    await said(this.manager.restore({ ...named(request), ...source }, signal));
  }

  async list(namespace: string, signal: AbortSignal) {
    const containers = await said(this.manager.list(namespace, signal));
    return containers.map(({ name, sandbox }) => ({ pod: sandbox, container: name }));
  }

  delete(): Promise<void> {
    const message = "Cedana's manager has no way to delete a checkpoint";
    return Promise.reject(new EngineError(message, { outcome: "refused", retryable: false }));
  }

  health(signal: AbortSignal): Promise<void> {
    return said(this.manager.ping(signal));
  }
}

function named({ namespace, pod, container }: EngineContainer) {
  return { namespace, sandboxName: pod, containerName: container };
}

async function said<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (!(error instanceof ManagerError)) throw error;
    const { message, outcome, retryable } = error;
    throw new EngineError(message, { outcome, retryable, cause: error });
  }
}
