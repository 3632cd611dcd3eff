import { KubernetesApi, type ApiOptions } from "./api";

/** What client-node takes where there is no kubeconfig and no pod. Nothing of today listens there. */
const NOWHERE = "http://localhost:8080";

/**
 * The API of the kubeconfig's context: the file given, else KUBECONFIG, else ~/.kube/config, else the pod's own account.
 * @throws Error if there is none of these, or the kubeconfig cannot be read or names no such context.
 */
export async function connectByKubeconfig(
  options: { readonly file?: string; readonly context?: string } & ApiOptions = {},
): Promise<KubernetesApi> {
  // Loaded only to connect: the library takes half a second to load.
  const { KubeConfig } = await import("@kubernetes/client-node");
  const config = new KubeConfig();
  if (options.file === undefined) config.loadFromDefault();
  else config.loadFromFile(options.file);
  if (options.file === undefined && config.getCurrentCluster()?.server === NOWHERE)
    throw new Error(
      "there is none: give --kubeconfig, set KUBECONFIG, write ~/.kube/config (aws eks update-kubeconfig), or run in a pod with a service account",
    );
  if (options.context !== undefined) config.setCurrentContext(options.context);
  const cluster = config.getCurrentCluster();
  if (!cluster)
    throw new Error(`the kubeconfig has no cluster for context ${config.getCurrentContext() || "(none)"}`);
  return new KubernetesApi(cluster.server, (request) => config.applyToHTTPSOptions(request), options);
}
