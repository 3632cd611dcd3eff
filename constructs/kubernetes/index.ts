/**
 * Constructs that install checkpoint/restore into a Kubernetes cluster. Each creates plain cdk8s `ApiObject`s, which are
 * its read-only properties. Use `addJsonPatch` to change one.
 * @module cedana-cdk/kubernetes
 */
export * from "./engines/cedana";
export * from "./engines/criu";
export type { AgentConstruct, EngineConstruct } from "./engines";
export { Controller } from "./controller";
export { Crd, CrdGuard, type CrdGuardProps, type CrdProps } from "./crds";
export type { EngineProps, InstallProps } from "./input";
export * from "./integrations/karpenter";
export { KueueQueues } from "./integrations/kueue";
export { SystemNamespace } from "./namespace";
export { SystemNetworkPolicies } from "./network-policy";
export { CheckpointPolicies } from "./policies";
export { ReadinessGate } from "./readiness-gate";
export { Restore } from "./restore";
