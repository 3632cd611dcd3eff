/**
 * What is put into a cluster besides the engine's configuration: input, checks, names.
 */
export { checkInstall, checkTogether, nativeVersion } from "./check";
export { checkpointsOf, DIRECTORY, NOT_A_DIRECTORY } from "./checkpoints";
export {
  gateOwner,
  gateTaint,
  gateTimes,
  gateToleration,
  managerTaints,
  READY_CONDITION,
  type GateOwner,
} from "./readiness-gate";
export type { KueueSpec, ResolvedKueue } from "../integrations/kueue";
export {
  agentNamespace,
  commonLabels,
  imageReference,
  namesOf,
  selectorLabels,
  type Component,
} from "./names";
export type { Toleration } from "../pod";
export { restoreOf } from "./restore";
export { installSchema, type InstallSpec, type ResolvedInstall } from "./schema";
