/**
 * Feature matrix of the Cedana agent's plugins, and the check that rejects features that a plugin does not support.
 * @module cedana-cdk/features
 */
export { checkFeatures, GPU_SUPPORTS, RUNTIMES, STORAGES, type FeatureUse, type Operation } from "./check";
export {
  EXTERNAL_PLUGINS,
  FEATURE_MATRIX,
  MARKS,
  PLUGINS,
  pluginsWith,
  supportOf,
  type Feature,
  type FeatureRow,
  type Plugin,
  type Support,
  featureTableJson,
  renderFeatureTable,
} from "./matrix";
