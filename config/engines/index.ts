/**
 * What checkpoints and restores: the input of each engine, and what its programs are told.
 */
export { daemonPort, isLoopback, listenAddress, socketDirectory } from "./cedana/address";
export {
  cedanaEngineSchema,
  pinnedVersion,
  type CedanaEngineSpec,
  type ResolvedCedanaEngine,
} from "./cedana/schema";
export { checkEngine } from "./check";
export { storageOf } from "./cedana/check-cedana";
export { kubeletEngineSchema, type KubeletEngineSpec, type ResolvedKubeletEngine } from "./kubelet/schema";
export {
  credentialsOf,
  isNodesOwn,
  registryOf,
  registryPort,
  type RegistryCredentials,
} from "./kubelet/registry";
export { DEFAULT_ENGINE, ENGINE_KINDS, type EngineKind } from "./kinds";
export { engineKindOf, engineSchema, type EngineSpec, type ResolvedEngine } from "./schema";
export { refuseSecrets, secretRef, type SecretRef } from "./secret";
export {
  AGENT_LITERALS,
  AGENT_VARIABLES,
  MANAGER_VARIABLES,
  configData,
  configHash,
  secretVariables,
  variablesOf,
} from "./cedana/variables";
