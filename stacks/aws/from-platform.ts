import type { Construct } from "constructs";
import type { Platform } from "../../config/platform";
import { PlatformStack } from "./platform-stack";

/**
 * Adds the AWS side of a platform to a cdktf app, as a stack.
 * @param platform - as `readPlatform` or `resolvePlatform` returned it
 * @param id - of the stack. Give each platform of an app another one
 * @returns undefined if the platform has no cluster
 */
export function stackFromPlatform(
  app: Construct,
  platform: Platform,
  id = "platform",
): PlatformStack | undefined {
  if (!platform.cluster && !platform.existingCluster) return undefined;
  const { version: _version, output: _output, ...props } = platform;
  return new PlatformStack(app, id, props);
}
