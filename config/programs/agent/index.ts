/** Settings of the agents: their schema, parser and derivation from an install. */
export {
  agentSettings,
  ARCHIVES,
  CREDENTIALS_FILE,
  criuAgentSettings,
  CREDENTIALS_DIRECTORY,
  CRIU_LINK,
  HEALTH_CONDITION,
  runtimeConfig,
  SETTINGS_FILE,
  SETTINGS_DIRECTORY,
  STATE,
} from "./derive";
export {
  readAgentSettings,
  agentSettingsSchema,
  type AgentHealthSettings,
  type AgentRegistrySettings,
  type AgentSettings,
  type CriuAgentSettings,
  type KubeletAgentSettings,
} from "./schema";
