import { readSettings } from "../read-settings";
import type { Checked } from "../../schema";
import { controllerSettingsSchema, type ControllerSettings } from "./schema";

/** The settings in a text (YAML or JSON), or all problems of it. Nothing is thrown. */
export function readControllerSettings(text: string): Checked<ControllerSettings> {
  return readSettings(controllerSettingsSchema, text);
}
