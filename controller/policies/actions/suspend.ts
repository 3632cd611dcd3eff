import { SUSPENDABLE, type FirstCheckpointAction } from "../../../api";
import { podKey } from "../core/engine";
import { phaseOf, readyOf } from "../../checkpoints/state";
import { CHECKPOINT, type CheckpointObject } from "../../checkpoints/objects";
import { POLICY_POD, type PodObject } from "../objects";
import { readWorkload, reportWorkload, scale, selectorText, suspendable, type Workload } from "../workloads";
import {
  ActionError,
  ELSEWHERE,
  isKept,
  OVER,
  type Action,
  type Completed,
  type FollowUpContext,
} from "./action";
import { createCheckpoint } from "./checkpoint";

const NAME = "suspend";
const CHANGED = "the workload is being changed by other clients";

/** Creates a Checkpoint of each pod of a workload, and scales the workload to zero once all of them are completed. */
export const suspend: Action<FirstCheckpointAction> = {
  isTogether: true,
  needsOwn: true,

  async execute(settings, run, context) {
    const { owner } = run.pod;
    if (suspendable(owner?.kind) === undefined) {
      const given = owner ? `is of ${owner.kind} ${owner.name}` : "has no controller";
      throw new ActionError(
        "NotSuspendable",
        `the pod ${given}; pods of these can be suspended: ${SUSPENDABLE.join(", ")}`,
      );
    }
    return createCheckpoint(settings, run, context, NAME);
  },

  async followUp(_, completed, context) {
    const { policy, pod } = completed;
    const { client, events, signal } = context;
    const workload = await workloadOf(pod, context);
    // Deleted, or scaled to zero already: by this policy for another pod, or by another client.
    if (!workload || workload.replicas === 0) return undefined;
    const pods = await podsOf(workload, context);
    if (pods.length === 0) return undefined;
    const found = pods.map((one) => ({ one, made: checkpointOf(one, completed, context) }));
    const reporter = reporterOf(found);
    const isReporter = reporter?.metadata.name === completed.checkpoint.metadata.name;
    try {
      const cause = await allCheckpointed(found, completed, context);
      if (cause !== undefined) return isReporter ? cause : ELSEWHERE;
    } catch (error) {
      // The reporting Checkpoint may still fail. Then another one reports.
      if (error instanceof ActionError && !isReporter) return reporter && isKept(reporter) ? OVER : ELSEWHERE;
      throw error;
    }
    const marks = {
      label: "true",
      replicas: String(workload.replicas),
      at: new Date().toISOString(),
      by: policy.name,
    };
    if (!(await scale(client, workload, 0, marks, signal))) return CHANGED;
    const note = `policy ${policy.name}: all ${pods.length} pods are checkpointed; scaled from ${workload.replicas} to 0`;
    reportWorkload(events, workload, "SuspendedByPolicy", note);
    return undefined;
  },
};

/** Returns the workload that owns the pod. @throws ActionError if one of the same name does not own it */
async function workloadOf(
  { pod: { namespace, name, owner }, ownerUID = "" }: PodObject,
  { client, signal }: FollowUpContext,
): Promise<Workload | undefined> {
  const kind = suspendable(owner?.kind);
  if (!owner || !kind) return undefined;
  const workload = await readWorkload(client, kind, { namespace, name: owner.name }, signal);
  if (!workload) return undefined;
  const { replicaSet } = owner;
  // The name of a Deployment is derived from that of the ReplicaSet.
  const owners =
    kind === "Deployment" && replicaSet !== undefined
      ? ((await readWorkload(client, "ReplicaSet", { namespace, name: replicaSet }, signal))?.ownerUIDs ?? [])
      : [ownerUID];
  if (owners.includes(workload.metadata.uid)) return workload;
  throw new ActionError("NotSuspendable", `${kind} ${owner.name} does not own the pod ${name}`);
}

/** Reads the pods of the workload that have not ended: the cache may not have the newest. */
async function podsOf(
  workload: Workload,
  { client, signal }: FollowUpContext,
): Promise<readonly PodObject[]> {
  const labelSelector = selectorText(workload.selector);
  const { namespace } = workload.metadata;
  const pods = await client.list(POLICY_POD, { namespace, labelSelector, signal });
  return pods.filter(({ pod, isDeleted }) => !isDeleted && !["Succeeded", "Failed"].includes(pod.phase));
}

/** A pod with its Checkpoint of the time. */
interface Member {
  readonly one: PodObject;
  readonly made: CheckpointObject | undefined;
}

/** Returns the pod's Checkpoint of the policy and the same time. */
function checkpointOf(
  { pod }: PodObject,
  { policy, checkpoint }: Completed,
  { checkpointsOf }: FollowUpContext,
): CheckpointObject | undefined {
  return checkpointsOf(podKey(pod)).find(
    ({ metadata: { policy: by }, spec, status }) =>
      by?.uid === policy.uid &&
      by.due === checkpoint.metadata.policy?.due &&
      (status.podUID ?? spec.podRef.uid) === pod.uid,
  );
}

/** Returns the Checkpoint whose follow-up reports for all: the first by name that is or may be completed. */
function reporterOf(members: readonly Member[]): CheckpointObject | undefined {
  const all = members.flatMap(({ made }) =>
    made && !hasFailed(made) && made.metadata.deletionTimestamp === undefined ? [made] : [],
  );
  return all.toSorted((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1))[0];
}

function hasFailed({ status }: CheckpointObject): boolean {
  const phase = phaseOf(status);
  return phase === "failed" || phase === "missing";
}

/**
 * Checks that each pod has a completed Checkpoint of the policy and the same time.
 * @returns what is missing; undefined if nothing is
 * @throws ActionError if a Checkpoint failed, or is being deleted
 */
async function allCheckpointed(
  members: readonly Member[],
  { checkpoint }: Completed,
  { client, signal }: FollowUpContext,
): Promise<string | undefined> {
  const due = checkpoint.metadata.policy?.due;
  const missing: string[] = [];
  const found: CheckpointObject[] = [];
  for (const {
    one: { pod },
    made,
  } of members) {
    if (made && hasFailed(made)) {
      const { message = phaseOf(made.status) } = readyOf(made.status) ?? {};
      throw new ActionError(
        "NotAllCheckpointed",
        `not suspended: Checkpoint ${made.metadata.name} of pod ${pod.name}: ${message}`,
      );
    }
    if (made?.metadata.deletionTimestamp !== undefined) throw lost(made);
    if (made && isKept(made)) found.push(made);
    else missing.push(pod.name);
  }
  if (missing.length > 0)
    return `${missing.length} of ${members.length} pods have no completed Checkpoint of ${due}: ${missing.slice(0, 5).join(", ")}`;
  for (const { metadata } of found) {
    const now = await client.get(CHECKPOINT, metadata, { signal });
    if (now?.metadata.uid !== metadata.uid || !isKept(now)) throw lost({ metadata });
  }
  return undefined;
}

function lost({ metadata: { name } }: Pick<CheckpointObject, "metadata">): ActionError {
  return new ActionError(
    "NotAllCheckpointed",
    `not suspended: Checkpoint ${name} was deleted or has no artifact`,
  );
}
