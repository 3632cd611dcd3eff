import { Client, connectByKubeconfig } from "../kube/client";
import { CommandError, EXIT } from "./exit";

/** Selects a cluster, as kubectl does. */
export interface ClusterOptions {
  /** Path of a kubeconfig. Default: as kubectl finds it, else the pod's own account. */
  readonly kubeconfig?: string;
  /** Context in it. Default: its current one. */
  readonly context?: string;
}

/** Name of the CLI's writes in `managedFields`. */
const FIELD_MANAGER = "cedana-cdk";

/** @throws CommandError (exit code 2) if the kubeconfig cannot be used */
export async function connect({ kubeconfig, context }: ClusterOptions): Promise<Client> {
  try {
    const transport = await connectByKubeconfig({ file: kubeconfig, context });
    return new Client(transport, { fieldManager: FIELD_MANAGER });
  } catch (error) {
    // The YAML parser adds lines of the kubeconfig below, which may be of a key.
    const line = (error as Error).message.split("\n", 1)[0] ?? "";
    throw new CommandError(`cannot use the kubeconfig: ${line}`, EXIT.badInput);
  }
}
