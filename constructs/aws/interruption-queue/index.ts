export { InterruptionQueue, type InterruptionQueueProps } from "./interruption-queue";
