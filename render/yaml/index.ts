/** Kubernetes objects as YAML 1.1 text with stable bytes. */
export { toYaml, toYamlStream } from "./yaml";
