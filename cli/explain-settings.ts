import { controllerSettings, type GateSettings } from "../config/programs/controller";
import type { ClusterOptions } from "./cluster";
import { CommandError, EXIT } from "./exit";
import { loadPlatform } from "./platform-file";

/** Which install in which cluster. */
export interface ClusterChoice extends ClusterOptions {
  readonly file: string;
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
