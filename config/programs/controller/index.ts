/**
 * What the controller is told: its form, how it is read from a file, how it follows from an install.
 */
export { controllerSettings, HASH_ANNOTATION, WEBHOOK_PORT } from "./derive";
export {
  readControllerSettings,
  controllerSettingsSchema,
  type AgentSettings,
  type CheckpointSettings,
  type ControllerSettings,
  type GateSettings,
  type RestoreSettings,
} from "./schema";
