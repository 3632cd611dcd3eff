/** What takes checkpoints: one interface, one folder for each engine. */
export {
  EngineError,
  type CheckpointReference,
  type CheckpointRequest,
  type CheckpointResult,
  type Engine,
  type EngineContainer,
  type RestoreRequest,
} from "./engine";
export { createEngines, type Engines, type EngineTools } from "./engines";
