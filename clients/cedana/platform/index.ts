/** Client of the policies of Cedana's platform (API v2). */
export { PlatformClient, type PlatformClientOptions } from "./client";
export { PlatformError, PLATFORM_OPERATIONS, type PlatformOperation } from "./errors";
export type { HeartbeatPolicy, PlatformPolicy } from "./policies";
