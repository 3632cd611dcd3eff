/**
 * Schemas, checks and derived values of a platform and its parts. Pure: imports neither cdktf nor cdk8s.
 * @module cedana-cdk/config
 */
export {
  InvalidInputError,
  formatPath,
  formatProblem,
  type Problem,
  type PropertyPath,
} from "./schema/problem";
export * from "./cluster";
export * from "./network";
export * from "./checkpoint-store";
export * from "./image-repository";
export * from "./pod-identity";
export * from "./engines";
export * from "./engines/cedana";
export * from "./engines/criu";
export * from "./engines/node-agent";
export * from "./install";
export * from "./nodes";
export * from "./nodes/group";
export * from "./karpenter";
