/** Restoring pods from checkpoints that are images: admission webhook, claims, fallback. */
export { Claims } from "./claims";
export { Restore, type RestoreOptions } from "./part";
