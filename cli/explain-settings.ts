import { controllerSettings, type GateSettings } from "../config/programs/controller";
import type { ClusterOptions } from "./cluster";
import { CommandError, EXIT } from "./errors";
import { loadPlatform } from "./platform-file";

/** An install in a cluster. */
export interface ClusterChoice extends ClusterOptions {
  readonly file: string;
}

/** Readiness gate of a platform file. */
export interface Gate {
  readonly settings: GateSettings;
  /** Gate owner, for messages. */
  readonly owner: string;
  /** Namespace and name of the controller's Lease and Deployment. */
  readonly controller: { readonly namespace: string; readonly name: string };
}

/**
 * Returns the gate of a platform file. If Cedana's manager is the gate owner, the rules are those of our controller.
 * @throws CommandError (exit code 2) if the file has problems or installs no agents
 */
export function gateOf(file: string): Gate {
  const { engine, install } = loadPlatform(file).platform;
  if (!engine || !install) {
    throw new CommandError(`${file}: has no engine, so there is no readiness gate`, EXIT.badInput);
  }
  const configured = controllerSettings(engine, install);
  const ours = { ...install, readinessGate: { ...install.readinessGate, owner: "controller" as const } };
  const settings = configured.gate || controllerSettings(engine, ours).gate;
  if (!settings) throw new Error("no gate for owner controller");
  const owners = {
    controller: "cedana-cdk's controller",
    nodeReadinessRule: "the node readiness controller (NodeReadinessRule)",
  };
  return {
    settings,
    owner: configured.gate ? owners[configured.gate.owner] : "Cedana's manager",
    controller: { namespace: configured.namespace, name: configured.leaseName },
  };
}
