/** Settings of the agents: their schema, parser and derivation from an install. */
export {
  CHECK_PROBLEMS,
  CHECKS,
  CHECKS_CONDITION,
  formatChecks,
  inOrder,
  parseChecks,
  PASSED_WITH_FAILURES,
  type CheckName,
  type CheckProblem,
} from "./checks";
export {
  agentSettings,
  CREDENTIALS_FILE,
  CREDENTIALS_DIRECTORY,
  CRIU_LINK,
  HEALTH_CONDITION,
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
} from "./schema";
