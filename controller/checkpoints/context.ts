import type { CheckpointSettings } from "../../config/programs/controller";
import type { Client, Logger } from "../../kube";
import type { Engine, Engines } from "../engines";
import type { CheckpointObject } from "./objects";
import type { Report } from "./report";
import type { InFlight, Reservations } from "./reservations";

/** Dependencies that the steps of a checkpoint share. */
export interface Context {
  readonly settings: Pick<
    CheckpointSettings,
    "engine" | "maxPerNode" | "waitSeconds" | "locations" | "namespaces"
  >;
  /** Writes only while this process leads. */
  readonly client: Client;
  readonly engines: Engines;
  readonly inFlight: InFlight;
  readonly reservations: Reservations;
  readonly report: Report;
  readonly log: Logger;
}

/** Returns the engine's name: from the status, else from the spec, else the controller's. */
export function engineName(
  { settings }: Pick<Context, "settings">,
  { spec, status }: CheckpointObject,
): string {
  return status.engine ?? spec.engine ?? settings.engine;
}

export function engineOf(
  context: Pick<Context, "settings" | "engines">,
  object: CheckpointObject,
): Engine | undefined {
  return context.engines.get(engineName(context, object));
}
