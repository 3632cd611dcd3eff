/**
 * What the agent of the kubelet engine is told: its form, how it is read from a file, how it follows from an install.
 */
export {
  agentSettings,
  ARCHIVES,
  CREDENTIALS_FILE,
  CREDENTIALS_FOLDER,
  CRIU_LINK,
  HEALTH_CONDITION,
  runtimeConfig,
  SETTINGS_FILE,
  SETTINGS_FOLDER,
  STATE,
} from "./derive";
export {
  readAgentSettings,
  agentSettingsSchema,
  type AgentHealthSettings,
  type AgentRegistrySettings,
  type AgentSettings,
} from "./schema";
