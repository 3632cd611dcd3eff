/** Restoring pods from checkpoints that are images: admission webhook, claims, fallback. */
export { Claims } from "./claims";
export { createRestore, type Restore, type RestoreOptions } from "./controller";
