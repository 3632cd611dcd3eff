import type { PolicyStatus } from "../../../api";
import type { Client, Events } from "../../../kube";
import type { CheckpointObject } from "../../checkpoints/objects";
import { phaseOf } from "../../checkpoints/state";
import type { ActionSubject, Policy, PolicyRun, Run } from "../core/types";
import type { PodObject } from "../objects";
import type { Retention } from "../retention";

export interface ActionContext {
  /** Writes only while this process leads. */
  readonly client: Client;
  readonly events: Events;
  readonly signal: AbortSignal;
}

/** A completed Checkpoint of an action that does more then. */
export interface Completed {
  readonly policy: Policy;
  readonly checkpoint: CheckpointObject;
  /** The pod of the Checkpoint. It exists and does not end. */
  readonly pod: PodObject;
}

/** Returns whether the Checkpoint is completed and keeps its artifact. A finalizer may keep a deleted one readable, and Ready. */
export function isKept({ metadata, status }: CheckpointObject): boolean {
  return phaseOf(status) === "completed" && metadata.deletionTimestamp === undefined;
}

/** The follow-up of another Checkpoint acts for this one too, or reports why it does not. It is tried again, because that one may fail. */
export const ELSEWHERE = Symbol("elsewhere");
/** The action is not executed, and the follow-up of another Checkpoint reports why. It is not tried again. */
export const OVER = Symbol("over");

/** Context of what follows a completed Checkpoint. */
export interface FollowUpContext extends ActionContext {
  /** Returns the Checkpoints of a pod's `namespace/name`. */
  readonly checkpointsOf: (pod: string) => readonly CheckpointObject[];
}

/** Why an action cannot be executed for good. It is recorded as a failure of the policy. */
export class ActionError extends Error {
  override readonly name = "ActionError";

  constructor(
    readonly reason: string,
    message: string,
  ) {
    super(message);
  }
}

/** What is done with a pod that is due. `S` is the type of its settings in `spec.action`. */
export interface PodAction<S = never> extends ActionSubject {
  readonly of?: "pod" | "suspendedWorkload";
  problem?(settings: S): string | undefined;
  /**
   * Executes the action. It may be called again for the same run, after an error or by the next leader.
   * @returns `open` if it created a Checkpoint with the run's key: the run then ends with the Checkpoint. `later` if it must wait
   *   for something, and is executed again until the run's deadline. `ended` otherwise
   * @throws any error: it is retried until the run's deadline, unless it is an ActionError or the API server rejected the request
   */
  execute(
    settings: S,
    run: Run,
    context: ActionContext,
  ): Promise<"open" | "ended" | { readonly later: string }>;
  /**
   * Does what follows once the run's Checkpoint is completed, until `deadlineSeconds` later. It may be called again after it was
   * done, by the next leader too, so it must find out what is done from the cluster.
   * @returns what it waits for, which is reported if it is not done in time; undefined once it is done
   * @throws as `execute`
   */
  followUp?(
    settings: S,
    completed: Completed,
    context: FollowUpContext,
  ): Promise<string | typeof ELSEWHERE | typeof OVER | undefined>;
}

export interface PolicyActionContext {
  /** Deletes only while this process leads. */
  readonly retention: Retention;
  readonly signal: AbortSignal;
}

/** What is done when a policy as a whole is due. */
export interface PolicyAction<S = never> extends ActionSubject {
  readonly of: "policy";
  /** Only actions for pods follow up. */
  readonly followUp?: undefined;
  /**
   * Executes the action. One run of a policy is in progress at a time. After an error, or a change of the leader, the next one
   * has to complete it.
   * @returns why it did not do everything that it should; undefined if it did
   * @throws any error: the run was not completed
   */
  execute(settings: S, run: PolicyRun, context: PolicyActionContext): Promise<string | undefined>;
  /** Returns what it adds to the status of the policy. @param nextMs when the policy is due next */
  status?(
    settings: S,
    policy: Policy,
    context: Pick<PolicyActionContext, "retention">,
    nextMs: number,
  ): Promise<Pick<PolicyStatus, "retention">>;
}

export type Action<S = never> = PodAction<S> | PolicyAction<S>;
