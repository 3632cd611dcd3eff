import { parse, YAMLParseError } from "yaml";
import { check, type Checked } from "../schema";
import { agentSettingsSchema, type AgentSettings } from "./schema";

/** The settings in a text (YAML or JSON), or all problems of it. Nothing is thrown. */
export function readAgentSettings(text: string): Checked<AgentSettings> {
  try {
    return check(agentSettingsSchema, parse(text));
  } catch (error) {
    if (!(error instanceof YAMLParseError)) throw error;
    return { problems: [{ code: "yaml-syntax", path: [], message: `is not YAML: ${error.message}` }] };
  }
}
