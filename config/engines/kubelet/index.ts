/** The engine `kubelet`: checkpoints by the kubelet, stored as images. */
export { checkKubeletEngine } from "./check";
export {
  checkKubeletFeatures,
  KUBELET_FEATURES,
  KUBELET_RUNTIMES,
  renderKubeletTable,
  type KubeletFeature,
  type KubeletFeatureRow,
  type KubeletUse,
} from "./features";
export {
  type RegistryCredentials,
  credentialsOf,
  isNodesOwn,
  registryOf,
  registryPort,
  type KubeletEngineSpec,
  type ResolvedKubeletEngine,
  kubeletEngineSchema,
} from "./schema";
