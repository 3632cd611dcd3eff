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
  type Source,
} from "./controller";
export { WorkQueue, type WorkQueueOptions, runWorkers, type Reconcile, type WorkersOptions } from "./queue";
