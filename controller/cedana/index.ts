/** Reconciles Cedana objects. */
export { CedanaReconciler } from "./reconciler";
export { CedanaWriter } from "./writer";
