/** Restores by a plan on the pod's node: requests to the agents, and what they report. */
export { NODE_RESTORE, outcomeOf, podKeyOf, type NodeRestoreObject } from "./objects";
export { planProgress } from "./progress";
export { NodeRestoreReconciler } from "./reconciler";
