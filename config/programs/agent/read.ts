import { readSettings } from "../read-settings";
import type { Checked } from "../../schema";
import { agentSettingsSchema, type AgentSettings } from "./schema";

/** The settings in a text (YAML or JSON), or all problems of it. Nothing is thrown. */
export function readAgentSettings(text: string): Checked<AgentSettings> {
  return readSettings(agentSettingsSchema, text);
}
