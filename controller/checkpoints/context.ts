import type { KubernetesClient } from "../../kube/client";
import type { CheckpointSettings } from "../../config/programs/controller";
import type { Engine, Engines } from "../engines";
import type { Logger } from "../../kube/runtime";
import type { Flights } from "./flights";
import type { CheckpointObject } from "./objects";
import type { Occupancy } from "./occupancy";
import type { Report } from "./report";

/** What the steps of this part share. */
export interface Context {
  readonly settings: Pick<CheckpointSettings, "engine" | "maxPerNode" | "locations">;
  /** Writes only while this process leads. */
  readonly client: Pick<KubernetesClient, "send">;
  readonly engines: Engines;
  readonly flights: Flights;
  readonly occupancy: Occupancy;
  readonly report: Report;
  readonly log: Logger;
}

/** Name of the engine of an object: of its first look, of its spec, else the controller's. */
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
