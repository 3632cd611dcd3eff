/** Engine `cedana`: Cedana's agent and manager. */
export { daemonPort, isLoopback, listenAddress, socketDirectory, socketProblem } from "./address";
export {
  AGENT_LITERALS,
  AGENT_VARIABLES,
  MANAGER_VARIABLES,
  configData,
  configHash,
  secretVariables,
  variablesOf,
} from "./variables";
export { checkCedanaEngine, storageOf } from "./check";
export { nativeVersion, removesTaint } from "./check-install";
export { cedanaNames } from "./names";
export {
  type CedanaEngineSpec,
  type ResolvedCedanaEngine,
  cedanaEngineSchema,
  pinnedVersion,
} from "./schema";
