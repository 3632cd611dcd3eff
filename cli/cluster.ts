import { ApiError, Client, connectByKubeconfig } from "../kube/client";
import { CommandError, EXIT } from "./errors";

/** Selects a cluster, as kubectl does. */
export interface ClusterOptions {
  /** Path of a kubeconfig. Default: as kubectl finds it, else the pod's own account. */
  readonly kubeconfig?: string;
  /** Context in it. Default: its current one. */
  readonly context?: string;
}

/** Name of the CLI's writes in `managedFields`. */
const FIELD_MANAGER = "cedana-cdk";

/**
 * Connects to the API server.
 * @throws CommandError (exit code 2) if the kubeconfig cannot be used
 */
export async function connect({ kubeconfig, context }: ClusterOptions): Promise<Client> {
  try {
    const transport = await connectByKubeconfig({ file: kubeconfig, context });
    return new Client(transport, { fieldManager: FIELD_MANAGER });
  } catch (error) {
    const { name, message } = error as Error;
    // client-node reads properties of a file without content.
    const isEmpty = name === "TypeError" && !("code" in (error as Error));
    // The YAML parser appends lines of the kubeconfig, which may contain a key.
    const line = isEmpty ? "it is empty" : (message.split("\n", 1)[0] ?? "");
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
