/** What the policy engine knows about policies, pods and Checkpoints. Times are in ms since the epoch. */
import type { PolicySpec } from "../../../api";

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
  /** Restarts of all containers. */
  readonly restarts: number;
  readonly containers: readonly string[];
  /** It is a workload without pods that a policy suspended, with the fields of its pods. */
  readonly isSuspendedWorkload?: true;
  /** When a user requested a checkpoint, by the annotation of the pod or its workload. */
  readonly requestedMs?: number;
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
  /** When it was due by its policy. */
  readonly dueMs?: number;
  readonly createdMs: number;
  readonly state: "open" | "completed" | "failed";
  /** When it ended. */
  readonly endedMs?: number;
  readonly reason?: string;
  readonly message?: string;
}

/** Context of a trigger for one pod. */
export interface TriggerContext {
  readonly policyUID: string;
  readonly pod: PolicyPod;
  /** When a request to the policy was accepted last. */
  readonly firedMs?: number;
  /** What jitter is computed from. Default: the UID of the pod. */
  readonly spreadBy?: string;
}

/** When an action is due. `S` is the type of its settings in `spec.trigger`. */
export interface Trigger<S = never> {
  /** Returns why it can never be due; undefined if it can. */
  problem?(settings: S): string | undefined;
  /** Returns the first time after `afterMs` at which it is due for the pod. Undefined: never. */
  next(settings: S, context: TriggerContext, afterMs: number): number | undefined;
  /** Whether it is a request: what was due before the pod matched is still due, within the deadline. */
  readonly isRequest?: true;
  /** Returns the time up to which it is done, after it was due. Later ones are still due. */
  done(dueMs: number, nowMs: number): number;
}

export interface FilterContext {
  readonly nowMs: number;
  /** Labels of the pod's namespace. */
  readonly namespaceLabels: Readonly<Record<string, string>>;
}

/** Which pods match. `S` is the type of its settings in `spec.filter`. */
export interface Filter<S = never> {
  /** Whether the result changes with time. It is then evaluated when a pod is due, too. */
  readonly timed?: true;
  /** Its settings if the policy has none. Default: all pods match. */
  readonly unset?: unknown;
  matches(settings: S, pod: PolicyPod, context: FilterContext): boolean;
}

/** What an action is executed for, and what the engine must know of it. */
export interface ActionSubject {
  /** Default: `pod`. `suspendedWorkload`: a workload without pods because a policy suspended it. */
  readonly of?: "pod" | "suspendedWorkload";
  /** All pods of a workload are due at the same time. */
  readonly isTogether?: true;
  /** It creates no Checkpoint, so those of the pod do not delay it. */
  readonly withoutCheckpoint?: true;
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
