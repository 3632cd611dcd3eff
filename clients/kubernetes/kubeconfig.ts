import { KubernetesApi, type ApiOptions } from "./api";

/**
 * The API of the kubeconfig's context: the file given, else KUBECONFIG, else ~/.kube/config, else the pod's own account.
 * @throws Error if the kubeconfig cannot be read or names no such context.
 */
export async function connectByKubeconfig(
  options: { readonly file?: string; readonly context?: string } & ApiOptions = {},
): Promise<KubernetesApi> {
  // Here, and not above: the library takes half a second to load, and only who connects needs it.
  const { KubeConfig } = await import("@kubernetes/client-node");
  const config = new KubeConfig();
  if (options.file === undefined) config.loadFromDefault();
  else config.loadFromFile(options.file);
  if (options.context !== undefined) config.setCurrentContext(options.context);
  const cluster = config.getCurrentCluster();
  if (!cluster)
    throw new Error(`the kubeconfig has no cluster for context ${config.getCurrentContext() || "(none)"}`);
  return new KubernetesApi(cluster.server, (request) => config.applyToHTTPSOptions(request), options);
}
