/**
 * Constructs that install checkpoint/restore into a Kubernetes cluster. Each creates plain cdk8s `ApiObject`s, which are
 * its read-only properties. Use `addJsonPatch` to change one.
 * @module cedana-cdk/kubernetes
 */
export { Agent, AgentRemoval } from "./agent";
export { HEALTH_CONDITION } from "../../config/programs/agent";
export { AttachAccount } from "./attach-account";
export { EngineConfig } from "./config";
export { Controller } from "./controller";
export { Crd, type CrdProps } from "./crds";
export { DynamoWatcher } from "./dynamo-watcher";
export type { EngineProps, InstallProps } from "./input";
export * from "./karpenter";
export { KueueQueues } from "./kueue";
export { Manager, REST_PORT } from "./manager";
export { SystemNamespace } from "./namespace";
export { SystemNetworkPolicies } from "./network-policy";
export { ReadinessGate } from "./readiness-gate";
export { Restore } from "./restore";
export { ManagerRbac } from "./rbac";
export { CedanaRuntimeClass } from "./runtime-class";
