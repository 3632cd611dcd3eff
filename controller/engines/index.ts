/** Engines that take checkpoints: one interface, one directory for each engine. */
export {
  canRestore,
  EngineError,
  type CheckpointRequest,
  type CheckpointResult,
  type Engine,
  type EngineContainer,
  type RestoreEngine,
  type RestoreRequest,
} from "./engine";
export { createEngines, type Engines, type EngineTools } from "./engines";
