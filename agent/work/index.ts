/** What the agents of all engines share: a queue of requests, their journal and their status. */
export { abortAt, CheckpointJob, timeOf, type PushOptions } from "./checkpoint-job";
export { CheckpointFailure } from "./failure";
export { Journal, type Entry } from "./journal";
export {
  NODE_CHECKPOINT,
  NodeCheckpointWork,
  type CheckpointContext,
  type CheckpointEntry,
  type NodeCheckpointObject,
} from "./node-checkpoints";
export { checkQuota, type DiskUse } from "./quota";
export { Queue, type Job, type Request, type Work } from "./queue";
export { isFinished, StatusWriter, withConditions, type Report, type WorkContext } from "./status";
