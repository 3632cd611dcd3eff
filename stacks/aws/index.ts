/**
 * The AWS side of a platform as one Terraform stack.
 * @module cedana-cdk/stacks/aws
 */
export { stackFromPlatform, PlatformStack, type PlatformStackProps } from "./platform-stack";
