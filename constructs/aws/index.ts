/**
 * cdktf constructs: an EKS cluster for checkpoint/restore, its network, nodes, storage and IAM roles.
 * @module cedana-cdk/aws
 */
export * from "./checkpoint-store";
export * from "./cluster";
export * from "./image-repository";
export * from "./interruption-queue";
export * from "./karpenter";
export * from "./network";
export * from "./node-group";
export * from "./pod-identity";
