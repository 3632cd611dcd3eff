/** The commands of the agent's program. */
export { checkCriuCommand, healthCommand } from "./health";
export { EXIT } from "./process";
export { runCommand } from "./run";
