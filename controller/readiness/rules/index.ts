/**
 * The decisions of the readiness gate as pure functions: no API, no clock. The gate and `cedana-cdk explain` share them.
 */
export { conditionPatch } from "./condition-patch";
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
export { gateKinds, projectDaemonSet, projectNode, projectPod, type GateKinds } from "./project";
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
export { hasOurs, isOurs, isUnregistered, taintPatch } from "./taints";
