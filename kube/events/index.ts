/** Events of `events.k8s.io/v1`, aggregated as client-go does. */
export { EventRecorder, type EventRecorderOptions, type Events } from "./recorder";
export type { EventInput } from "./series";
