/** Acts upon Cedana's own kind. */
export { CedanaReconciler } from "./reconciler";
export { CedanaWriter } from "./writer";
