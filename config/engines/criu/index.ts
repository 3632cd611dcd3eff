/** Engine `criu`: CRIU on the nodes checkpoints whole pods, and a runtime handler restores them. */
export { criuControllerSchema, preDumpMode, restartPolicy, tcpMode } from "./controller";
export { CRIU_FEATURES, renderCriuTable, type CriuFeature } from "./features";
export { CRIU_HANDLER } from "./node";
export { criuEngineSchema, runtimeClassesOf, type CriuEngineSpec, type ResolvedCriuEngine } from "./schema";
