/**
 * The decisions of the readiness gate as pure functions without I/O or a clock. The gate and `cedana-cdk explain` share them.
 */
export {
  assess,
  installationOf,
  updatePresences,
  type AgentAssessment,
  type AgentPresence,
  type Assessment,
} from "./agents";
export { conditionPatch, decideCondition, messageOf } from "./condition";
export { CONTESTED, updateHistory, withWrite, type NodeHistory, type NodeSnapshot } from "./history";
export {
  gateKinds,
  hasOurs,
  isOurs,
  projectDaemonSet,
  projectNode,
  projectPod,
  type AgentDaemonSet,
  type AgentPod,
  type GateKinds,
  type GateNode,
  type NodeCondition,
} from "./objects";
export type { Taint } from "./placement";
export { decideTaint, taintPatch, type Cause } from "./taint";
