import { parse, YAMLParseError } from "yaml";
import { check, type Checked } from "../schema";
import { controllerSettingsSchema, type ControllerSettings } from "./schema";

/** The settings in a text (YAML or JSON), or all problems of it. Nothing is thrown. */
export function readControllerSettings(text: string): Checked<ControllerSettings> {
  try {
    return check(controllerSettingsSchema, parse(text));
  } catch (error) {
    if (!(error instanceof YAMLParseError)) throw error;
    return { problems: [{ code: "yaml-syntax", path: [], message: `is not YAML: ${error.message}` }] };
  }
}
