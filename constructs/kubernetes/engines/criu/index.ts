/**
 * The engine `criu`: checkpoints of whole pods by CRIU on the nodes, restored by a runtime handler.
 * @module cedana-cdk/kubernetes/engines/criu
 */
export { CriuAgent, CriuAgentRemoval, CriuEngine, CriuRuntimeClasses } from "./engine";
