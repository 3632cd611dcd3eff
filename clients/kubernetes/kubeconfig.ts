import { KubeConfig } from "@kubernetes/client-node";
import { KubernetesApi } from "./api";

/**
 * The API of the kubeconfig's context: the file given, else KUBECONFIG, else ~/.kube/config, else the pod's own account.
 * @throws Error if the kubeconfig cannot be read or names no such context.
 */
export function connectByKubeconfig(options: { file?: string; context?: string } = {}): KubernetesApi {
  const config = new KubeConfig();
  if (options.file === undefined) config.loadFromDefault();
  else config.loadFromFile(options.file);
  if (options.context !== undefined) config.setCurrentContext(options.context);
  const cluster = config.getCurrentCluster();
  if (!cluster)
    throw new Error(`the kubeconfig has no cluster for context ${config.getCurrentContext() || "(none)"}`);
  return new KubernetesApi(cluster.server, (request) => config.applyToHTTPSOptions(request));
}
