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
  return undefined;
}

function containerTrouble({ state, lastState }: RawContainerStatus): string {
  const text = words(state?.waiting?.reason, state?.waiting?.message);
  const ended = lastState?.terminated;
  return ended ? `${text} (ended with exit code ${ended.exitCode ?? "unknown"})` : text;
}

function words(reason: string | undefined, message: string | undefined): string {
  const text = [reason, message].filter((part) => part !== undefined && part !== "").join(": ");
  const line = text.replaceAll(/\s+/g, " ");
  if (line === "") return "no reason given";
  return line.length > MAX_LENGTH ? `${line.slice(0, MAX_LENGTH - 3)}...` : line;
}
