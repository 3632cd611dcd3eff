/** The schema of a platform and its checks. `file/` reads one from cedana.yaml. */
export { checkPlatform, resolvePlatform, type CheckedPlatform } from "./check";
export { platformSchema, type Platform, type PlatformSpec } from "./schema";
