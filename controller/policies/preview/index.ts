/**
 * What a policy would do, by the triggers and filters of the controller: for `cedana-cdk policy test` and `explain policy`. Pure
 * functions without requests or a clock.
 */
import type { HeartbeatTrigger } from "../../../api";
import { printable } from "../../../config/schema";
import { ACTIONS } from "../actions";
import { Watches } from "../core/watches";
import { PolicyState, type PolicyProblem } from "../core/policy-state";
import { contextOf, entryOf, type FilterContext, type Policy, type PolicyPod } from "../core/types";
import { FILTERS } from "../filters";
import { TRIGGERS } from "../triggers";
import { heartbeat, jitterOf } from "../triggers/heartbeat";
import type { RetentionObjects } from "../retention";
import { previewRetention, type RetentionPreview } from "./retention";

export type { PolicyProblem } from "../core/policy-state";
export type { Policy, PolicyPod } from "../core/types";
export { CHECKPOINT } from "../../checkpoints/objects";
export {
  CLUSTER_POLICY,
  JOB,
  NAMESPACE,
  POLICY,
  POLICY_POD,
  toPolicy,
  WORKLOADS,
  type NamespaceObject,
  type PodObject,
  type PolicyObject,
  type WorkloadObject,
} from "../objects";
export { failedOf } from "../status";
export type { RetentionObjects } from "../retention";
export type { RetentionItem, RetentionPreview } from "./retention";

/** Times that a schedule shows. */
const TIMES = 5;

/** When a policy is due. */
export interface Schedule {
  /** Field of `spec.trigger`. */
  readonly trigger: string;
  /** The next times, without jitter. Missing if the trigger is not periodic. */
  readonly times?: readonly string[];
  /** How much later a pod can be due, in seconds. */
  readonly jitterSeconds?: number;
}

/** A filter that a pod does not match. */
export interface FailedFilter {
  /** Field of `spec.filter`. */
  readonly filter: string;
  readonly message: string;
}

export interface PodPreview {
  readonly namespace: string;
  readonly name: string;
  readonly matches: boolean;
  /** Filters that it does not match, in the order of the controller's evaluation. */
  readonly failed: readonly FailedFilter[];
  /** Why the trigger is never due for it, although it matches. */
  readonly neverDue?: string;
}

export interface PolicyPreview {
  /** Why the policy does nothing. */
  readonly problem?: PolicyProblem;
  /** Set if Cedana's platform executes it. */
  readonly executor?: "Platform";
  readonly schedule: Schedule;
  /** Field of `spec.action`. */
  readonly action: string;
  /** What its action works on. Missing: pods. */
  readonly worksOn?: "Checkpoints" | "suspended workloads";
  /** All pods of its scope. None if it does not work on pods. */
  readonly pods: readonly PodPreview[];
  /** What its next run would delete. Missing without the action `deleteCheckpoints`, and for a policy that does nothing. */
  readonly retention?: RetentionPreview;
}

/**
 * Evaluates a policy for pods.
 * @param labelsOf - returns the labels of a namespace. An error that it throws is that of the filter that reads them
 * @param objects - objects for a decision about Checkpoints. Default: no decision is made
 */
export function previewPolicy(
  policy: Policy,
  pods: readonly PolicyPod[],
  labelsOf: (namespace: string) => Readonly<Record<string, string>>,
  nowMs: number,
  objects?: RetentionObjects,
): PolicyPreview {
  const { problem } = new PolicyState(policy, { triggers: TRIGGERS, filters: FILTERS }, new Watches());
  const worksOn = WORKS_ON[entryOf(ACTIONS, policy.spec.action)?.entry.of ?? "pod"];
  const inScope = pods.filter(
    ({ namespace }) =>
      worksOn === undefined && (policy.namespace === undefined || policy.namespace === namespace),
  );
  const schedule = scheduleOf(policy, problem === undefined, nowMs);
  const [next] = schedule.times ?? [];
  const retention =
    objects && !problem
      ? previewRetention(policy, objects, next === undefined ? nowMs : Date.parse(next))
      : undefined;
  return {
    ...(problem && { problem }),
    ...(policy.spec.executor === "Platform" && { executor: policy.spec.executor }),
    ...(worksOn && { worksOn }),
    action: Object.keys(policy.spec.action).join(),
    ...(retention && { retention }),
    schedule,
    pods: inScope.map((pod) => {
      const failed = failedFilters(
        policy,
        pod,
        contextOf(nowMs, () => labelsOf(pod.namespace)),
      );
      const { namespace, name } = pod;
      const neverDue = failed.length === 0 ? neverDueFor(policy, pod) : undefined;
      return {
        namespace,
        name,
        matches: failed.length === 0,
        failed,
        ...(neverDue === undefined ? {} : { neverDue }),
      };
    }),
  };
}

/** Returns why the trigger cannot be due for a pod that matches, as the condition `Ready` of the policy says. */
function neverDueFor({ spec }: Policy, pod: PolicyPod): string | undefined {
  const found = entryOf(TRIGGERS, spec.trigger);
  const { containers } = (spec.filter ?? {}) as { readonly containers?: readonly string[] };
  const watch = found?.entry.watch?.(found.settings, pod, containers);
  return typeof watch === "string" ? watch : undefined;
}

const WORKS_ON = { pod: undefined, policy: "Checkpoints", suspendedWorkload: "suspended workloads" } as const;

function failedFilters(
  { spec: { filter = {} } }: Policy,
  pod: PolicyPod,
  context: FilterContext,
): readonly FailedFilter[] {
  const given = filter as Readonly<Record<string, unknown>>;
  const unknown = Object.keys(given).filter((name) => !Object.hasOwn(FILTERS, name));
  return [
    ...unknown.map((name) => ({ filter: name, message: "is not a filter of this version" })),
    ...Object.entries(FILTERS).flatMap(([name, entry]) => {
      const settings = given[name] ?? entry.unset;
      if (settings === undefined) return [];
      const text = `${printable(settings)}${given[name] === undefined ? ", the default" : ""}`;
      try {
        return entry.matches(settings as never, pod, context)
          ? []
          : [{ filter: name, message: `does not match ${text}` }];
      } catch (error) {
        const [cause = ""] = (error as Error).message.split("\n");
        return [{ filter: name, message: `cannot be evaluated: ${cause}` }];
      }
    }),
  ];
}

function scheduleOf({ spec }: Policy, isValid: boolean, nowMs: number): Schedule {
  const trigger = entryOf(TRIGGERS, spec.trigger)?.name ?? (Object.keys(spec.trigger)[0] || "none");
  const { heartbeat: settings } = spec.trigger as { readonly heartbeat?: HeartbeatTrigger };
  if (!settings || !isValid) return { trigger };
  const times: string[] = [];
  const exact = { ...settings, jitterSeconds: 0 };
  for (let afterMs: number | undefined = nowMs; times.length < TIMES;) {
    afterMs = heartbeat.next(exact, { policyUID: "", pod: NO_POD }, afterMs);
    if (afterMs === undefined) break;
    times.push(new Date(afterMs).toISOString());
  }
  return { trigger, times, jitterSeconds: jitterOf(settings) };
}

/** Stands for any pod: without jitter, all have the same times. */
const NO_POD: PolicyPod = {
  uid: "",
  namespace: "",
  name: "",
  createdMs: 0,
  revision: { id: "", name: "" },
  labels: {},
  phase: "Running",
  restarts: 0,
  containers: [],
  memoryLimits: {},
};
