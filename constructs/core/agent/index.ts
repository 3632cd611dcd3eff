/**
 * What the agent of the kubelet engine is told: its form, and how it is read from a file.
 */
export { readAgentSettings } from "./read";
export {
  agentSettingsSchema,
  type AgentHealthSettings,
  type AgentRegistrySettings,
  type AgentSettings,
} from "./schema";
