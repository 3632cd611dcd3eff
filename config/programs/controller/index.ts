/** Settings of the controller: their schema, parser and derivation from an install. */
export { controllerSettings, HASH_ANNOTATION, WEBHOOK_PORT } from "./derive";
export {
  readControllerSettings,
  controllerSettingsSchema,
  type AgentSettings,
  type CheckpointSettings,
  type ControllerSettings,
  type GateSettings,
  type PolicySettings,
  type RestoreSettings,
  type VerifySettings,
} from "./schema";
