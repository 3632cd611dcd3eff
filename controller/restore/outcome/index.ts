/** What comes of restores: pods are followed until they go on, fall back or are left; claims until they have a pod. */
export { CLAIM_MS, ClaimReconciler } from "./claim-reconciler";
export { PodReconciler } from "./pod-reconciler";
export { hasRun, progressOf, type Progress } from "./progress";
