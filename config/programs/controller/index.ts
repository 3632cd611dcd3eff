/** Settings of the controller: their schema, parser and derivation from an install. */
export {
  controllerSettings,
  HASH_ANNOTATION,
  PLATFORM_TOKEN,
  POLICY_PORT_NAME,
  POLICY_WEBHOOK_PORT,
  WEBHOOK_PORT,
} from "./derive";
export {
  readControllerSettings,
  controllerSettingsSchema,
  type AgentSettings,
  type CheckpointSettings,
  type ControllerSettings,
  type GateSettings,
  type NotifySettings,
  type PolicyPlatformSettings,
  type PolicySettings,
  type PolicyWebhookSettings,
  type RestoreSettings,
  type VerifySettings,
} from "./schema";
