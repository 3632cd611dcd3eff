/** Engine `criu`: CRIU on the nodes checkpoints whole pods, and a runtime handler restores them. */
export { criuControllerSchema, restartPolicy, tcpMode } from "./controller";
export { CRIU_FEATURES, renderCriuTable, type CriuFeature } from "./features";
export {
  CRIU_HANDLER,
  NODE_FOLDER,
  NODE_PROGRAM,
  RUNTIME_FILE,
  SERVICE_DIRECTORY,
  SERVICE_SOCKET,
  WRAPPER,
} from "./node";
export { criuEngineSchema, runtimeClassesOf, type CriuEngineSpec, type ResolvedCriuEngine } from "./schema";
