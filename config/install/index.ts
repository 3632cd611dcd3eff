/** Install of an engine into a cluster: schemas, checks and names that do not depend on the engine. */
export { checkInstall } from "./check";
export { checkResources, checkTolerations, reservedVariables, toleratesGate } from "./check-pods";
export {
  checkpointsOf,
  type CheckpointsOf,
  deleteArtifactsOf,
  destinationsOf,
  policiesOf,
  verifyOf,
  restoreSchema,
  installSchema,
  type InstallSpec,
  type ResolvedInstall,
} from "./schema";
export {
  checkPolicy,
  MEMORY_READINGS,
  type CheckpointPolicyInput,
  type ClusterCheckpointPolicyInput,
  type MemorySource,
  type PoliciesOf,
} from "./policies";
export { artifactWaitSeconds, ORPHAN_MODES, orphanHours, type DeleteArtifactsOf } from "./artifacts";
export { compareSeconds, DRIFT_MODES, HEARTBEAT_UNITS } from "./policy-platform";
export { ACTION_NAMES, DEFAULT_ACTIONS, enabledActions, type ActionName } from "./policy-actions";
export { destinationSchema, portOf, type NotifyDestination } from "./policy-notify";
export { servedNames } from "./served-names";
export { agentNamespace, commonLabels, imageReference, namesOf, selectorLabels } from "./names";
export {
  gateOwner,
  gateTaint,
  gateTimes,
  gateToleration,
  READY_CONDITION,
  type GateOwner,
} from "./readiness-gate";
export type { KueueSpec, ResolvedKueue } from "../integrations";
export type { Toleration } from "../pod";
