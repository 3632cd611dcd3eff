import { SUSPENDED } from "../../../api";
import { readWorkload, reportWorkload, scale, suspendable } from "../workloads";
import { ActionError, type Action } from "./action";

const UNMARKED = { label: null, replicas: null, at: null, by: null } as const;
/** Largest number of replicas that an annotation can name. */
const MAX_REPLICAS = 100_000;

/** Scales a suspended workload to the replicas that it had. Its pods are restored if its template requests it. */
export const resume: Action<object> = {
  of: "suspendedWorkload",
  withoutCheckpoint: true,

  async execute(_, { policy, pod: { namespace, owner } }, { client, events, signal }) {
    const kind = suspendable(owner?.kind);
    if (!owner || !kind) return "ended";
    const workload = await readWorkload(client, kind, { namespace, name: owner.name }, signal);
    // Deleted, or resumed by an earlier attempt.
    if (!workload?.isMarked) return "ended";
    const text = workload.annotations[SUSPENDED.replicas] ?? "";
    const replicas = Number(text);
    if (!/^[1-9]\d*$/.test(text) || replicas > MAX_REPLICAS)
      throw new ActionError(
        "InvalidSuspension",
        `annotation ${SUSPENDED.replicas} is "${text.slice(0, 32)}"; allowed: 1 to ${MAX_REPLICAS}. Scale the workload and remove its label ${SUSPENDED.label}`,
      );
    // Another client has scaled it meanwhile: its number holds.
    const isScaled = workload.replicas !== 0;
    if (!(await scale(client, workload, isScaled ? undefined : replicas, UNMARKED, signal)))
      throw new Error(`${kind} ${owner.name} is being changed by other clients`);
    const note = isScaled
      ? `policy ${policy.name}: another client has scaled it to ${workload.replicas} already`
      : `policy ${policy.name}: scaled from 0 to ${replicas}`;
    reportWorkload(events, workload, "ResumedByPolicy", note);
    return "ended";
  },
};
