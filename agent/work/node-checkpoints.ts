import {
  NODE_CHECKPOINT as NAMES,
  type NodeCheckpointReason,
  type NodeCheckpointSpec,
  type NodeCheckpointStatus,
} from "../../api";
import type { Repositories } from "../../config/programs";
import { projectCustomResource, type CustomResource, type Kind } from "../../kube";
import type { Entry, Journal } from "./journal";
import type { Job, Request, Work } from "./queue";
import { isFinished, withConditions, type WorkContext } from "./status";

export type NodeCheckpointObject = CustomResource<NodeCheckpointSpec, NodeCheckpointStatus>;

export const NODE_CHECKPOINT: Kind<NodeCheckpointObject> = { ...NAMES, project: projectCustomResource };

/**
 * Progress of a NodeCheckpoint on this node: `requested` is written before the request is sent to the service of the node. In
 * phase `finished` only the cleanup and the status are left.
 */
export interface CheckpointEntry extends Entry {
  readonly spec: NodeCheckpointSpec;
  readonly phase: "requested" | "finished";
  /** Only in phase `finished`. */
  readonly status?: NodeCheckpointStatus;
}

/** Dependencies of the jobs for NodeCheckpoints. */
export interface CheckpointContext extends WorkContext {
  readonly settings: Repositories & {
    readonly namespace: string;
    readonly quotaBytes: number;
    readonly reserveBytes: number;
    readonly maxConcurrent: number;
  };
  readonly journal: Pick<Journal<CheckpointEntry>, "load" | "get" | "list" | "put" | "remove">;
}

/** The NodeCheckpoints of a node. An engine defines their jobs. */
export abstract class NodeCheckpointWork implements Work<NodeCheckpointSpec, NodeCheckpointStatus> {
  readonly kind = NAMES.kind;
  readonly isFinished: (status: NodeCheckpointStatus) => boolean = isFinished;

  constructor(private readonly checkpoints: CheckpointContext) {}

  /** Returns what only one checkpoint at a time may use. */
  protected abstract subjectOf(spec: NodeCheckpointSpec): string;
  abstract job(request: Request): Job;

  get maxConcurrent(): number {
    return this.checkpoints.settings.maxConcurrent;
  }

  load(): Promise<void> {
    return this.checkpoints.journal.load();
  }

  started(): readonly Request[] {
    const entries = this.checkpoints.journal.list();
    return entries.map(({ uid, name, spec }) => ({ uid, name, subject: this.subjectOf(spec) }));
  }

  requestOf({ metadata: { uid, name }, spec }: NodeCheckpointObject): Request {
    return { uid, name, subject: this.subjectOf(spec) };
  }

  reportWaiting(object: NodeCheckpointObject, message: string): Promise<boolean> {
    const report = { holds: undefined, reason: "Pending", message } as const;
    const status = withConditions<NodeCheckpointReason, NodeCheckpointStatus>(object, {}, report);
    return this.checkpoints.client.applyStatus(NODE_CHECKPOINT, object.metadata, status).then(
      () => true,
      () => false,
    );
  }
}
