/**
 * Pure functions and types: what the toolkit knows of EKS nodes, of checkpoints and of its own input. Imports no framework.
 * @module cedana-cdk/core
 */
export { InvalidInputError, formatPath, formatProblem, type Problem, type PropertyPath } from "./problem";
