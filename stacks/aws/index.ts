/**
 * The AWS side of a platform as one Terraform stack.
 * @module cedana-cdk/stacks/aws
 */
export { PlatformStack } from "./platform-stack";
export type { LocalStateBackend, PlatformStackProps, S3StateBackend } from "./props";
