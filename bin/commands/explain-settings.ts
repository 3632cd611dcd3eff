import { connectByKubeconfig, type KubernetesClient } from "../../clients/kubernetes";
import { controllerSettings, type GateSettings } from "../../constructs/core/controller";
import { CommandError, EXIT } from "./exit";
import { loadPlatform } from "./platform-file";

/** Which cluster is meant, as kubectl is told. */
export interface ClusterChoice {
  readonly file: string;
  readonly kubeconfig?: string;
  readonly context?: string;
}

/** The gate of a platform file. */
export interface Gate {
  readonly settings: GateSettings;
  /** Who holds the taint, in words. */
  readonly owner: string;
  /** Namespace and name of the controller's Lease and Deployment. */
  readonly controller: { readonly namespace: string; readonly name: string };
}

/**
 * The gate as `install` of the file has it. One that Cedana's manager holds is judged as this project's would be.
 * @throws CommandError (exit code 2) if the file has problems, or installs no agents
 */
export function gateOf(file: string): Gate {
  const { engine, install } = loadPlatform(file).platform;
  if (!engine || !install) {
    throw new CommandError(`${file}: has no engine, so no agents and no gate`, EXIT.badInput);
  }
  const told = controllerSettings(engine, install);
  const ours = { ...install, readinessGate: { ...install.readinessGate, owner: "controller" as const } };
  const settings = told.gate || controllerSettings(engine, ours).gate;
  if (!settings) throw new Error("no gate for owner controller");
  const owners = {
    controller: "cedana-cdk's controller",
    nodeReadinessRule: "the node readiness controller, by a NodeReadinessRule",
  };
  return {
    settings,
    owner: told.gate ? owners[told.gate.owner] : "Cedana's manager",
    controller: { namespace: told.namespace, name: told.leaseName },
  };
}

/** @throws CommandError (exit code 2) if the kubeconfig cannot be used */
export async function connect({
  kubeconfig,
  context,
}: ClusterChoice): Promise<Pick<KubernetesClient, "send">> {
  try {
    return await connectByKubeconfig({ file: kubeconfig, context });
  } catch (error) {
    // What the YAML parser adds below are lines of the kubeconfig, and so perhaps of a key.
    const line = (error as Error).message.split("\n", 1)[0] ?? "";
    throw new CommandError(`cannot use the kubeconfig: ${line}`, EXIT.badInput);
  }
}
