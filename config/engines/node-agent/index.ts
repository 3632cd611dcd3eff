/** Settings of this toolkit's node agent, for the engines that use it. */
export { nodeAgentCapabilities } from "./capabilities";
export { agentAccess, agentCheckpoints, artifactSettings, CONTROLLER_CREDENTIALS } from "./controller";
export { checksThat, GATING_CHECKS, type GatingCheck } from "./checks";
export { registryAccess } from "./registry-access";
export { checkAgentPods, checkDeletion, checkNodeAgent } from "./check";
export {
  credentialsOf,
  isNodeLocalRegistry,
  nodeAgentEntries,
  registryOf,
  registryPort,
  type NodeAgentSettings,
  type RegistryCredentials,
} from "./schema";
