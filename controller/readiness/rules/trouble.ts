import { HEALTH_CONDITION } from "../../../config/programs/agent";

interface RawContainerStatus {
  readonly name: string;
  readonly state?: {
    readonly waiting?: { readonly reason?: string; readonly message?: string };
    readonly running?: unknown;
    readonly terminated?: { readonly exitCode?: number; readonly reason?: string };
  };
  readonly lastState?: { readonly terminated?: { readonly exitCode?: number; readonly reason?: string } };
  readonly ready?: boolean;
}

/** The part of a pod's status that is read. */
export interface RawPodStatus {
  readonly phase?: string;
  readonly reason?: string;
  readonly message?: string;
  readonly conditions?: readonly {
    readonly type: string;
    readonly status: string;
    readonly reason?: string;
    readonly message?: string;
    readonly lastTransitionTime?: string;
  }[];
  readonly initContainerStatuses?: readonly RawContainerStatus[];
  readonly containerStatuses?: readonly RawContainerStatus[];
}

/** States of a container that pass by themselves. */
const USUAL = new Set(["ContainerCreating", "PodInitializing"]);
const MAX_LENGTH = 200;
/** It tells of several things at once, the worst first. */
const MAX_CHECK_LENGTH = 700;

/** Why a pod is not Ready, in plain words; undefined if its status does not say. */
export function troubleOf(status: RawPodStatus | undefined): string | undefined {
  if (!status) return undefined;
  if (status.phase === "Failed") return `failed: ${words(status.reason, status.message)}`;
  const scheduled = status.conditions?.find(({ type }) => type === "PodScheduled");
  if (scheduled?.status === "False") return `is not scheduled: ${words(scheduled.reason, scheduled.message)}`;
  const containers = [...(status.initContainerStatuses ?? []), ...(status.containerStatuses ?? [])];
  const waiting = containers.filter(({ state }) => state?.waiting);
  const worst = waiting.find(({ state }) => !USUAL.has(state?.waiting?.reason ?? "")) ?? waiting[0];
  if (worst) return `waits: container ${worst.name}: ${containerTrouble(worst)}`;
  const unready = status.containerStatuses?.find(({ ready, state }) => state?.running && ready === false);
  if (unready) return `runs, but container ${unready.name} does not pass its probes yet`;
  return gateTrouble(status);
}

function containerTrouble({ state, lastState }: RawContainerStatus): string {
  const text = words(state?.waiting?.reason, state?.waiting?.message);
  const ended = lastState?.terminated;
  return ended ? `${text} (ended with exit code ${ended.exitCode ?? "unknown"})` : text;
}

/** All containers are Ready: a readiness gate of the pod is not passed. */
function gateTrouble({ conditions }: RawPodStatus): string | undefined {
  const check = conditions?.find(({ type }) => type === HEALTH_CONDITION);
  if (check?.status === "False")
    return `says that the node cannot checkpoint: ${words(undefined, check.message, MAX_CHECK_LENGTH)}`;
  const ready = conditions?.find(({ type }) => type === "Ready");
  if (ready?.reason !== "ReadinessGatesNotReady") return undefined;
  return `runs, but a readiness gate of it is not passed yet: ${words(undefined, ready.message)}`;
}

function words(
  reason: string | undefined,
  message: string | undefined,
  maxLength: number = MAX_LENGTH,
): string {
  const text = [reason, message].filter((part) => part !== undefined && part !== "").join(": ");
  const line = text.replaceAll(/\s+/g, " ");
  if (line === "") return "no reason given";
  return line.length > maxLength ? `${line.slice(0, maxLength - 3)}...` : line;
}
