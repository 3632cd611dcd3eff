export {
  KUBERNETES_MINORS,
  MINIMUM_KERNEL,
  compareVersions,
  findAmi,
  runtimeOf,
  type Accelerator,
  type Ami,
  type Architecture,
  isInstanceType,
  parseInstanceType,
  type InstanceTypeFacts,
  RESTORING_CONTAINERD,
} from "./ami";
export {
  checkNodeSettings,
  instanceFacts,
  restoresByPlan,
  restoresFromImages,
  runtimeHandlerOf,
  startupTaintOf,
} from "./check";
export { kubeletConfigSchema, RUNTIME_REQUEST_TIMEOUT, SHUTDOWN, type KubeletConfig } from "./kubelet";
export {
  NODE_CONFIG_API_VERSION,
  nodeConfigSchema,
  nodeConfigSpecSchema,
  type NodeConfig,
  type NodeConfigSpec,
} from "./node-config";
export { duration, parseDuration, parseQuantity, quantity, quantityBytes } from "../schema/quantity";
export {
  NODE_FOLDER,
  NODE_PROGRAM,
  RUNTIME_FILE,
  SERVICE_DIRECTORY,
  SERVICE_SOCKET,
  STATE_DIRECTORY,
  STATE_SOCKET,
  WRAPPER,
} from "./node-service";
export {
  runtimeHandlerSchema,
  type RuntimeHandler,
  ENABLED_LABEL,
  engineOf,
  tagsSchema,
  type NodeSettings,
} from "./settings";
export {
  STARTUP_TAINT_DEFAULT,
  startupTaintSchema,
  taintSchema,
  toAutoscalerArgument,
  toAutoscalerTag,
  toEksTaint,
  toKarpenterTaint,
  toKubeletTaint,
  tolerates,
  toTaintText,
  toToleration,
  type KubernetesTaint,
  type Taint,
} from "./taint";
