/** Commands of the agent program. */
export { checkCriuCommand, healthCommand } from "./health";
export { EXIT } from "./process";
export { runCommand } from "./run";
