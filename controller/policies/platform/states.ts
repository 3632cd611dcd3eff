import type { CheckpointConditionType, PlatformCopy, PolicyReason } from "../../../api";
import type { PlatformPolicy } from "../../../clients/cedana/platform";
import type { Step } from "./plan";
import type { Entry } from "./record";

/** What is known about the copy of a policy. */
export interface CopyState {
  /** `none`: the platform has no copy and needs none. */
  readonly phase: "mirrored" | "pending" | "drifted" | "failed" | "invalid" | "none";
  readonly message: string;
  readonly copy?: PlatformCopy;
}

/** Content of the status of a policy that the controller does not execute. */
export interface Elsewhere {
  readonly holds: CheckpointConditionType;
  readonly reason: PolicyReason;
  readonly message: string;
  readonly copy?: PlatformCopy | undefined;
}

const CONDITIONS: Readonly<
  Record<CopyState["phase"], readonly [holds: CheckpointConditionType, reason: PolicyReason]>
> = {
  mirrored: ["Ready", "Mirrored"],
  pending: ["Progressing", "MirrorPending"],
  drifted: ["Failed", "Drifted"],
  failed: ["Failed", "PlatformFailed"],
  invalid: ["Failed", "InvalidExecutor"],
  none: ["Progressing", "MirrorPending"],
};

export function elsewhereOf({ phase, message, copy }: CopyState): Elsewhere {
  const [holds, reason] = CONDITIONS[phase];
  return { holds, reason, message, copy };
}

/** Maximum length of the status of a copy in that of its policy. */
const MAX_STATE = 63;

function copyOf({ id, status, pods }: PlatformPolicy): PlatformCopy {
  return {
    id,
    ...(status === undefined || status === "" ? {} : { state: status.slice(0, MAX_STATE) }),
    ...(pods === undefined || pods < 0 || !Number.isInteger(pods) ? {} : { pods }),
  };
}

export const SUSPENDED: Elsewhere = {
  holds: "Ready",
  reason: "Suspended",
  message: "spec.suspend is true: the platform has no copy",
};

/** Message for a copy that was corrected and differs again. */
export const NOT_LASTING =
  "the copy was written again, and differs again: the next attempt is within an hour";
const REMEDY =
  "to write the copy again, suspend the policy and resume it, or set install.policies.platform.drift: correct";

export function mirrored(copy: PlatformCopy): CopyState {
  return { phase: "mirrored", message: `Cedana's platform executes it as policy ${copy.id}`, copy };
}

export const NO_COPY: CopyState = { phase: "none", message: "the platform has no copy" };

/** Nothing was compared yet. */
export function waiting(copy: PlatformCopy | undefined): CopyState {
  return { phase: "pending", message: "waits for the platform", ...(copy && { copy }) };
}

export function leaving(entry: Entry): CopyState {
  return { phase: "pending", message: "its copy in the platform will be deleted", ...withCopy(entry) };
}

export function withCopy(entry: Entry | undefined): Pick<CopyState, "copy"> {
  return entry?.id === undefined ? {} : { copy: { id: entry.id } };
}

type Shown = Extract<Step, { readonly do: "inSync" | "drifted" | "unknown" | "wait" }>;

/** Returns the state for a step that needs no request. `lost`: the record does not have the copy that the status names. */
export function stateOf(step: Shown | { readonly do: "lost"; readonly id: string }): CopyState {
  switch (step.do) {
    case "inSync":
      return mirrored(copyOf(step.copy));
    case "wait":
      return { phase: "pending", message: "the response to the creation was lost" };
    case "drifted":
      return { phase: "drifted", message: `${step.message}; ${REMEDY}`, copy: { id: step.id } };
    case "unknown":
      return {
        phase: "failed",
        message: `the response to the creation was lost, and one of the platform's policies ${step.ids.join(", ")} may be its result: delete those that are not needed there`,
      };
    default:
      return {
        phase: "failed",
        message: `the platform's policy ${step.id} may be the copy, and the record of this install does not have it: delete it in the platform`,
        copy: { id: step.id },
      };
  }
}
