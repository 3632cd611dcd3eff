/**
 * Pure functions and types: what the toolkit knows of EKS nodes, of checkpoints and of its own input. Imports no framework.
 * @module cedana-cdk/core
 */
export { InvalidInputError, formatPath, formatProblem, type Problem, type PropertyPath } from "./problem";
export * from "./cluster";
export * from "./network";
export * from "./checkpoint-store";
export * from "./image-repository";
export * from "./pod-identity";
export * from "./engine";
export * from "./install";
export * from "./node";
export * from "./node-group";
export * from "./karpenter";
