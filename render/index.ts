/**
 * Renders checked input to text and plain objects: YAML, user data, IAM policies, Karpenter manifests. Pure.
 * @module cedana-cdk/render
 */
export * from "./iam";
export * from "./user-data";
export { DASHBOARD_FILE, grafanaDashboard } from "./grafana";
export { renderRuntimeHandler } from "./containerd";
export { ec2NodeClassManifest, nodePoolManifest, type PoolContext } from "./karpenter";
export { toYaml, toYamlStream } from "./yaml";
