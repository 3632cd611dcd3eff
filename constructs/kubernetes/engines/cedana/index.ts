/**
 * The engine `cedana`: Cedana's agent and manager.
 * @module cedana-cdk/kubernetes/engines/cedana
 */
export { CedanaAgent } from "./agent";
export { AttachAccount } from "./attach-account";
export { EngineConfig } from "./config";
export { DynamoWatcher } from "./dynamo-watcher";
export { CedanaEngine, CedanaRuntimeClass } from "./engine";
export { Manager, ManagerMetrics, REST_PORT } from "./manager";
export { ManagerRbac } from "./rbac";
