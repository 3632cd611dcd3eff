import type { Construct } from "constructs";
import type { Platform } from "../../config/platform";
import { PlatformStack } from "./platform-stack";

/**
 * Adds the AWS side of a platform to a cdktf app, as a stack with the id `platform`.
 * @param platform - as `readPlatform` or `resolvePlatform` returned it
 * @returns undefined if the platform has no cluster
 */
export function stackFromPlatform(app: Construct, platform: Platform): PlatformStack | undefined {
  if (!platform.cluster && !platform.existingCluster) return undefined;
  const { version: _version, output: _output, ...props } = platform;
  return new PlatformStack(app, "platform", props);
}
