/**
 * What the Cedana engine is told: its input, and the ConfigMap and environment that come from it.
 */
export { daemonPort, isLoopback, listenAddress, socketDirectory } from "./address";
export { checkEngine, storageOf } from "./check";
export { engineSchema, pinnedVersion, type EngineSpec, type ResolvedEngine } from "./schema";
export { refuseSecrets, secretRef, type SecretRef } from "./secret";
export {
  AGENT_LITERALS,
  AGENT_VARIABLES,
  MANAGER_VARIABLES,
  configData,
  configHash,
  secretVariables,
  variablesOf,
} from "./variables";
