/** The engine: what the agent does with the requests to its node. */
export type { EngineTools, Runner } from "./engine";
export { criuRunners } from "./criu";
