/** Retention: decides which Checkpoints a policy deletes, and deletes them. `planPolicy` decides by lists of objects alone. */
export type { Deletion } from "./execute";
export type { RetentionEntry } from "./plan";
export { planPolicy, type RetentionObjects } from "./plan-policy";
export { Retention, type RetentionCaches } from "./retention";
export { retentionItem, retentionStatus } from "./status";
