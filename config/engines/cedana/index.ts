export { daemonPort, isLoopback, listenAddress, socketDirectory, socketProblem } from "./address";
export { checkCedanaEngine, storageOf } from "./check-cedana";
export {
  type CedanaEngineSpec,
  type ResolvedCedanaEngine,
  cedanaEngineSchema,
  pinnedVersion,
} from "./schema";
export {
  AGENT_LITERALS,
  AGENT_VARIABLES,
  MANAGER_VARIABLES,
  configData,
  configHash,
  secretVariables,
  variablesOf,
} from "./variables";
