/** Reconciles restored pods until the outcome is known, and claims until they have a pod. */
export { ClaimReconciler } from "./claim-reconciler";
export { PodReconciler } from "./pod-reconciler";
export { hasRun } from "./progress";
export { STARTED, UNANSWERED, UNANSWERED_POD, UnansweredReconciler } from "./unanswered";
