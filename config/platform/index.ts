/** Schema and checks of a platform. `file/` reads one from cedana.yaml. */
export { checkPlatform, resolvePlatform, type AreaCheck, type CheckedPlatform } from "./check";
export { platformSchema, type Platform, type PlatformSpec, type ValidAreas } from "./schema";
