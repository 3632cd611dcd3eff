/**
 * The AWS side of a platform as one Terraform stack.
 * @module cedana-cdk/stacks/aws
 */
export { stackFromPlatform } from "./from-platform";
export { PlatformStack } from "./platform-stack";
export type { PlatformStackProps } from "./props";
