import {
  NODE_RESTORE as NAMES,
  NODE_RESTORE_CONDITION,
  type NodeRestoreReason,
  type NodeRestoreSpec,
  type NodeRestoreStatus,
} from "../../../api";
import type { Outcome } from "../../../clients/node-service";
import { projectCustomResource, type CustomResource, type Kind } from "../../../kube";
import type { Report } from "../../work";

export type NodeRestoreObject = CustomResource<NodeRestoreSpec, NodeRestoreStatus>;

export const NODE_RESTORE: Kind<NodeRestoreObject> = { ...NAMES, project: projectCustomResource };

/** Returns the report of a reason: the condition that it holds is defined with the kind. */
export function reportOf(reason: NodeRestoreReason, message: string): Report<NodeRestoreReason> {
  return { holds: NODE_RESTORE_CONDITION[reason], reason, message };
}

/** How a restore ended. */
export interface Ended {
  readonly reason: NodeRestoreReason;
  readonly message: string;
  /** Reason of the node for another outcome than Restored. */
  readonly cause?: string;
}

/** Maximum length of `status.cause`. */
const MAX_CAUSE = 63;

/**
 * Returns how a restore ended; undefined while containers of the checkpoint are still to be created, or their memory is still
 * loaded.
 */
export function endOf({ decision, reason, message = "", containers }: Outcome): Ended | undefined {
  const cause = reason === undefined ? {} : { cause: reason.slice(0, MAX_CAUSE) };
  switch (decision) {
    case "fresh":
      return { reason: "StartedFresh", message, ...cause };
    case "fail":
      return { reason: "RestoreFailed", message, ...cause };
    case "restore":
      break;
    default:
      return undefined;
  }
  const failed = containers.filter(({ phase }) => phase === "Failed");
  if (failed.length > 0)
    return { reason: "RestoreFailed", message: `not created: ${namesOf(failed)}`, ...cause };
  if (containers.some(({ phase }) => phase === "Pending" || phase === "Restoring")) return undefined;
  if (loadingOf({ containers }).length > 0 || containers.some(({ arriving }) => arriving)) return undefined;
  return { reason: "Restored", message: `restored: ${timesOf(containers)}` };
}

/** Returns the names of the containers that run while their memory is loaded. */
export function loadingOf({ containers }: Pick<Outcome, "containers">): readonly string[] {
  return containers
    .filter(({ memory }) => memory === "Restoring" || memory === "Loading")
    .map(({ name }) => name);
}

function namesOf(containers: Outcome["containers"]): string {
  return containers.map(({ name }) => name).join(", ");
}

function timesOf(containers: Outcome["containers"]): string {
  return containers
    .map(({ name, milliseconds, eager }) => {
      const time = milliseconds === undefined ? name : `${name} in ${milliseconds} ms`;
      return eager === undefined ? time : `${time} (${eager})`;
    })
    .join(", ");
}
