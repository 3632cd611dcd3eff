/**
 * Schemas, checks and derived values of everything a platform can configure. Pure; imports no framework.
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
export * from "./engines/kubelet";
export * from "./install";
export * from "./nodes";
export * from "./nodes/group";
export * from "./karpenter";
