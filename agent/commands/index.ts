/** Commands of the agent program. */
export { checkCriuCommand, healthCommand } from "./health";
export { runCommand } from "./run";
