import { connectByKubeconfig, type KubernetesClient } from "../kube/client";
import { CommandError, EXIT } from "./exit";

/** Which cluster is meant, as kubectl is told. */
export interface ClusterOptions {
  /** Path of a kubeconfig. Default: as kubectl finds it, else the pod's own account. */
  readonly kubeconfig?: string;
  /** Context in it. Default: its current one. */
  readonly context?: string;
}

/** @throws CommandError (exit code 2) if the kubeconfig cannot be used */
export async function connect({ kubeconfig, context }: ClusterOptions): Promise<KubernetesClient> {
  try {
    return await connectByKubeconfig({ file: kubeconfig, context });
  } catch (error) {
    // What the YAML parser adds below are lines of the kubeconfig, and so perhaps of a key.
    const line = (error as Error).message.split("\n", 1)[0] ?? "";
    throw new CommandError(`cannot use the kubeconfig: ${line}`, EXIT.badInput);
  }
}
