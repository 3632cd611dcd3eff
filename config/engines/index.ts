/** Engines, which take and restore checkpoints. Each one has a directory here and an entry in the table. */
export { ENGINE_KINDS, DEFAULT_ENGINE, type EngineKind } from "../engine-kinds";
export { rejectSecrets, secretRef, type SecretRef } from "../secret";
export { cedanaEngineSchema, type CedanaEngineSpec, type ResolvedCedanaEngine } from "./cedana/schema";
export { criuEngineSchema, type CriuEngineSpec, type ResolvedCriuEngine } from "./criu/schema";
export { checkEngine, checkTogether, memoryReadingsOf, platformOf, restoreOf, watchesMemory } from "./check";
export type {
  CheckpointStorage,
  EngineCapabilities,
  EngineDefinition,
  PlatformAccess,
  RequiredSecret,
  Template,
  TemplateValues,
} from "./engine";
export { engineKindOf, engineSchema, enginesWith, type EngineSpec } from "./schema";
export { capabilitiesOf, definitionOf, ENGINES, type ResolvedEngine } from "./table";
