/**
 * What the readiness gate decides, as pure functions: no API, no clock. The gate and `cedana-cdk explain` judge by the
 * same.
 */
export { assess, type AgentVerdict, type Assessment, type WaitReason } from "./assess";
export {
  decideCondition,
  messageOf,
  type ConditionChange,
  type ConditionDecision,
  type ConditionReason,
} from "./decide-condition";
export { decideTaint, type Cause, type Situation, type TaintDecision } from "./decide-taint";
export { installationOf, track, type AgentPresence, type Installation } from "./installation";
export { CONTESTED, remember, remembering, type Memory } from "./memory";
export type { AgentDaemonSet, AgentPod, GateNode, NodeCondition } from "./objects";
export { projectDaemonSet, projectNode, projectPod } from "./project";
export { conditionPatch, pathOfNode, WRITER } from "./requests";
export {
  CONDITION_TYPE,
  KARPENTER_INITIALIZED,
  KARPENTER_UNREGISTERED,
  MESSAGE_INTERVAL_MS,
  ORPHAN_GRACE_MS,
  PREDECESSOR_GRACE_MS,
  UNINSTALL_GRACE_MS,
  type AgentSettings,
  type GateSettings,
  type Taint,
} from "./settings";
export { hasOurs, isOurs, isUnregistered, taintPatch, type JsonPatchOperation } from "./taints";
