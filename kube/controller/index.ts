/** Reconcile loops: sources, work queue and workers. */
export {
  controller,
  leadAll,
  type Controller,
  type ControllerBuilder,
  type ControllerOptions,
  type ForOptions,
  type ReconcileOptions,
  type Request,
} from "./controller";
export { WorkQueue, type WorkQueueOptions } from "./queue";
export { runWorkers, type Reconcile, type WorkersOptions } from "./workers";
