/**
 * Kubernetes objects as the files of a GitOps repository or of a Helm chart. Pure: `cedana-cdk/output` writes them.
 * @module cedana-cdk/manifests
 */
export { helmChart, type HelmChartOptions } from "./helm";
export { KUSTOMIZATION, layout, type Files, type LayoutOptions } from "./layout";
export { formatIdentity, identityOf, pathOf, type Identity, type KubernetesObject } from "./object";
