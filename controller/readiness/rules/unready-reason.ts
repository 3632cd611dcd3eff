import { HEALTH_CONDITION, PASSED_WITH_FAILURES } from "../../../config/programs/agent";

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

/** The fields of a pod's status in use. */
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

/** Transient states of a container that starts. */
const USUAL = new Set(["ContainerCreating", "PodInitializing"]);
const MAX_LENGTH = 200;
/** A failed check lists several reasons, the worst first. */
const MAX_CHECK_LENGTH = 700;

/** Returns why a pod is not Ready, as a predicate of the pod; undefined if its status has no reason. */
export function unreadyReason(status: RawPodStatus | undefined): string | undefined {
  if (!status) return undefined;
  if (status.phase === "Failed") return `failed: ${shortened(status.reason, status.message)}`;
  const scheduled = status.conditions?.find(({ type }) => type === "PodScheduled");
  if (scheduled?.status === "False")
    return `is not scheduled: ${shortened(scheduled.reason, scheduled.message)}`;
  const containers = [...(status.initContainerStatuses ?? []), ...(status.containerStatuses ?? [])];
  const waiting = containers.filter(({ state }) => state?.waiting);
  const worst = waiting.find(({ state }) => !USUAL.has(state?.waiting?.reason ?? "")) ?? waiting[0];
  if (worst) return `cannot run container ${worst.name} yet: ${waitingReason(worst)}`;
  const unready = status.containerStatuses?.find(({ ready, state }) => state?.running && ready === false);
  if (unready) return `has not passed the readiness probe of container ${unready.name}`;
  return readinessGateReason(status);
}

function waitingReason({ state, lastState }: RawContainerStatus): string {
  const text = shortened(state?.waiting?.reason, state?.waiting?.message);
  const terminated = lastState?.terminated;
  return terminated ? `${text} (terminated with exit code ${terminated.exitCode ?? "unknown"})` : text;
}

/** Returns why the pod is not Ready although all its containers are: a readiness gate of the pod. */
function readinessGateReason({ conditions }: RawPodStatus): string | undefined {
  const check = conditions?.find(({ type }) => type === HEALTH_CONDITION);
  if (check?.status === "False")
    return `reports that the node cannot checkpoint: ${shortened(undefined, check.message, MAX_CHECK_LENGTH)}`;
  const ready = conditions?.find(({ type }) => type === "Ready");
  if (ready?.reason !== "ReadinessGatesNotReady") return undefined;
  return `is running, but a readiness gate is not met: ${shortened(undefined, ready.message)}`;
}

/** Returns the failed checks of a health check that do not gate the node; undefined if there are none. */
export function ungatedFailures(status: RawPodStatus | undefined): string | undefined {
  const check = status?.conditions?.find(({ type }) => type === HEALTH_CONDITION);
  if (check?.status !== "True" || check.reason !== PASSED_WITH_FAILURES) return undefined;
  return shortened(undefined, check.message, MAX_CHECK_LENGTH);
}

function shortened(
  reason: string | undefined,
  message: string | undefined,
  maxLength: number = MAX_LENGTH,
): string {
  const text = [reason, message].filter((part) => part !== undefined && part !== "").join(": ");
  const line = text.replaceAll(/\s+/g, " ");
  if (line === "") return "no reason given";
  return line.length > maxLength ? `${line.slice(0, maxLength - 3)}...` : line;
}
