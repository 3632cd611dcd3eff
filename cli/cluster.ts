import { ApiError, connectByKubeconfig, type KubernetesClient } from "../kube/client";
import { CommandError, EXIT } from "./errors";

/** Selects a cluster, as kubectl does. */
export interface ClusterOptions {
  /** Path of a kubeconfig. Default: as kubectl finds it, else the pod's own account. */
  readonly kubeconfig?: string;
  /** Context in it. Default: its current one. */
  readonly context?: string;
}

/**
 * Connects to the API server.
 * @throws CommandError (exit code 2) if the kubeconfig cannot be used
 */
export async function connect({ kubeconfig, context }: ClusterOptions): Promise<KubernetesClient> {
  try {
    return await connectByKubeconfig({ file: kubeconfig, context });
  } catch (error) {
    // The YAML parser appends lines of the kubeconfig, which may contain a key.
    const line = (error as Error).message.split("\n", 1)[0] ?? "";
    throw new CommandError(`cannot use the kubeconfig: ${line}`, EXIT.badInput);
  }
}

/**
 * Reports a failed request.
 * @throws CommandError always
 */
export function clusterError(error: unknown): never {
  if (error instanceof CommandError) throw error;
  if (error instanceof ApiError) throw new CommandError(`rejected by the API server: ${error.message}`);
  throw new CommandError(`cannot reach the API server: ${(error as Error).message}`);
}
