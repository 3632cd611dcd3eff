/** Engine `kubelet`: the kubelet takes checkpoints, which are stored as images. */
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
export { type KubeletEngineSpec, type ResolvedKubeletEngine, kubeletEngineSchema } from "./schema";
