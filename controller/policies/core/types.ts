/** What the policy engine knows about policies, pods and Checkpoints. Times are in ms since the epoch. */
import type { MemoryWatch, PolicySpec } from "../../../api";
import type { PodFields } from "../../../config/cel";

/** The part of a policy that the engine evaluates. A trigger, filter or action is looked up by its field's name. */
export interface Policy {
  readonly uid: string;
  readonly name: string;
  /** Undefined for a cluster-scoped policy. */
  readonly namespace?: string;
  readonly generation: number;
  /** From when on it is in force: nothing that was due earlier is made up. */
  readonly sinceMs: number;
  readonly spec: Omit<PolicySpec, "trigger" | "filter" | "action"> & {
    readonly trigger: object;
    readonly filter?: object;
    readonly action: object;
  };
}

/** A pod, with what triggers and filters read. */
export interface PolicyPod {
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
  readonly createdMs: number;
  readonly labels: Readonly<Record<string, string>>;
  /** The controller that owns it: the Deployment instead of its ReplicaSet. */
  readonly owner?: { readonly kind: string; readonly name: string; readonly replicaSet?: string };
  readonly nodeName?: string;
  readonly phase: string;
  /** Since when all containers run. Undefined if one does not. */
  readonly runningSinceMs?: number;
  /** Since when it is Ready. Undefined if it is not. */
  readonly readySinceMs?: number;
  /** What it has in common with the other pods of its owner that have the same pod template. */
  readonly revision: OnceSubject;
  /** Memory limits in bytes, by container, of those that have one. */
  readonly memoryLimits: Readonly<Record<string, number>>;
  /** Memory limit of the pod itself, in bytes. */
  readonly podMemoryLimit?: number;
  /** When its memory last crossed the thresholds of policies, by their UIDs. */
  readonly crossings?: Readonly<Record<string, number>>;
  /** Restarts of all containers. */
  readonly restarts: number;
  readonly containers: readonly string[];
  /** What expressions read, as `readableFields` returns it. Without it they fail, and the pod does not match. */
  readonly fields?: PodFields;
  /** It is a workload without pods that a policy suspended, with the fields of its pods. */
  readonly isSuspendedWorkload?: true;
  /** When a user requested a checkpoint, by the annotation of the pod or its workload. */
  readonly requestedMs?: number;
}

/** For what a trigger is due once. */
export interface OnceSubject {
  /** Identifies it in the namespace, also after it was deleted. */
  readonly id: string;
  /** Name of the pod, or of its owner. */
  readonly name: string;
}

/** What a Checkpoint records of its pod, which may have been deleted. */
export interface RecordedPod extends Pick<PolicyPod, "namespace" | "owner"> {
  /** Whether the pod was seen. If not, nothing is known about its owner. */
  readonly isKnown: boolean;
}

/** A Checkpoint, of any client. */
export interface CheckpointFact {
  /** `namespace/name`. */
  readonly key: string;
  /** `namespace/name` of the pod. */
  readonly pod: string;
  /** UID of the pod, once it is known. */
  readonly podUID?: string;
  readonly nodeName?: string;
  /** UID of the policy that created it. */
  readonly policyUID?: string;
  /** Name of that policy. */
  readonly policyName?: string;
  /** When it was due by its policy. */
  readonly dueMs?: number;
  readonly createdMs: number;
  readonly state: "open" | "completed" | "failed";
  /** When it ended. */
  readonly endedMs?: number;
  readonly reason?: string;
  readonly message?: string;
}

/** What is watched of a pod's memory. */
export type PodWatch = Pick<MemoryWatch, "forSeconds" | "thresholds">;

/** Context of a trigger for one pod. */
export interface TriggerContext {
  readonly policyUID: string;
  readonly pod: PolicyPod;
  /** When a request to the policy was accepted last. */
  readonly firedMs?: number;
  /** Returns the Checkpoints of the pod. Only for triggers that follow them. */
  readonly checkpoints?: () => readonly CheckpointFact[];
  /** What jitter is computed from. Default: the UID of the pod. */
  readonly spreadBy?: string;
}

/** When an action is due. `S` is the type of its settings in `spec.trigger`. */
export interface Trigger<S = never> {
  /** Returns why it can never be due; undefined if it can. */
  problem?(settings: S): string | undefined;
  /** Returns the first time after `afterMs` at which it is due for the pod. Undefined: never. */
  next(settings: S, context: TriggerContext, afterMs: number): number | undefined;
  /** Returns it for the policy as a whole. Default: it is due for pods only. */
  nextOfPolicy?(settings: S, policyUID: string, afterMs: number): number | undefined;
  /** Whether it is a request: what was due before the pod matched is still due, within the deadline. */
  readonly isRequest?: true;
  /**
   * For what it is due once: the first pod that is due gets the Checkpoint, whose name is computed from it. Default: for
   * each pod and time.
   */
  once?(settings: S, pod: PolicyPod): OnceSubject;
  /**
   * Returns what is watched of a pod's memory, or why it can never be due for the pod.
   * @param containers names of those that the filter selects. Undefined: all
   */
  watch?(settings: S, pod: PolicyPod, containers: readonly string[] | undefined): PodWatch | string;
  /** Whether it is due because of Checkpoints of the pod. */
  readonly followsCheckpoints?: true;
  /** Returns the time up to which it is done, after it was due. Later ones are still due. */
  done(dueMs: number, nowMs: number): number;
}

export interface FilterContext {
  readonly nowMs: number;
  /** Labels of the pod's namespace. */
  readonly namespaceLabels: Readonly<Record<string, string>>;
}

/** Returns a context whose labels are read only by a filter that needs them: reading them can fail. */
export function contextOf(
  nowMs: number,
  namespaceLabels: () => FilterContext["namespaceLabels"],
): FilterContext {
  return {
    nowMs,
    get namespaceLabels() {
      return namespaceLabels();
    },
  };
}

/** Which pods match. `S` is the type of its settings in `spec.filter`. */
export interface Filter<S = never> {
  /** Returns why it can match no pod; undefined if it can. */
  problem?(settings: S): string | undefined;
  /** Whether the result changes with time. It is then evaluated when a pod is due, too. */
  readonly timed?: true;
  /** Its settings if the policy has none. Default: all pods match. */
  readonly unset?: unknown;
  /** @throws Error if it cannot be evaluated for the pod. The pod does not match, and the policy reports it */
  matches(settings: S, pod: PolicyPod, context: FilterContext): boolean;
  /** Whether a Checkpoint of the pod matches. Default: Checkpoints do not record what it reads. */
  matchesRecorded?(settings: S, pod: RecordedPod, context: FilterContext): boolean;
}

/** An action that is due for the policy as a whole. */
export interface PolicyRun {
  readonly policy: Policy;
  readonly dueMs: number;
  readonly startMs: number;
}

/** What an action is executed for, and what the engine must know of it. */
export interface ActionSubject {
  /** Default: `pod`. `suspendedWorkload`: a workload without pods because a policy suspended it. `policy`: the policy as a whole. */
  readonly of?: "pod" | "suspendedWorkload" | "policy";
  /** All pods of a workload are due at the same time. */
  readonly isTogether?: true;
  /** What follows needs a Checkpoint of the policy and time: one of another client does not replace it. */
  readonly needsOwn?: true;
  /** It creates no Checkpoint, so those of the pod do not delay it. */
  readonly withoutCheckpoint?: true;
  /** It creates no Checkpoint: spacing and backoff do not apply. It waits for an open Checkpoint of the pod. */
  readonly withoutSpacing?: true;
  /** The action starts as soon as the pod is due. The limits of Checkpoints neither delay nor count it. */
  readonly isImmediate?: true;
  /** Returns why the action does nothing with these settings. Undefined: it can be executed. */
  problem?(settings: never): string | undefined;
  /** Returns why no action of this kind can start now, while others can. Undefined: one can. */
  full?(nowMs: number): string | undefined;
}

/** An action that is due for a pod and may start. */
export interface Run {
  readonly policy: Policy;
  readonly pod: PolicyPod;
  readonly dueMs: number;
  readonly deadlineMs: number;
  /** `namespace/name` of the Checkpoint. The same for the same policy, pod and time, in each process. */
  readonly key: string;
}

/** Returns the entry of a table for a field of a policy, with the field's settings. */
export function entryOf<T>(
  table: Readonly<Record<string, T>>,
  part: object,
): { readonly name: string; readonly entry: T; readonly settings: never } | undefined {
  for (const [name, settings] of Object.entries(part)) {
    const entry = Object.hasOwn(table, name) ? table[name] : undefined;
    if (entry !== undefined && settings !== undefined) return { name, entry, settings: settings as never };
  }
  return undefined;
}
