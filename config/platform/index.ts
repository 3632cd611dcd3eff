/**
 * cedana.yaml: its schema, its reader and its checks.
 * @module cedana-cdk/platform
 */
export { checkPlatform, resolvePlatform, type CheckedPlatform } from "./check";
export { readPlatform, type LocatedProblem, type PlatformFile, formatLocated } from "./read";
export { platformSchema, type Platform, type PlatformSpec } from "./schema";
