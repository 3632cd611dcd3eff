import type { DeleteCheckpointsAction } from "../../../api";
import { atOnce, each, mapped, type Steps } from "../../../kube";
import type { CheckpointObject } from "../../checkpoints/objects";
import { contextOf, type Filter, type Policy } from "../core/types";
import { toRetained, toRetaining, type RetainedCheckpoint } from "./facts";
import { decide, type RetentionEntry } from "./plan";

/** The objects that a decision about Checkpoints depends on: all of the namespaces of the policy. */
export interface RetentionObjects {
  readonly checkpoints: readonly CheckpointObject[];
  readonly pods: readonly RetainingPodObject[];
  /** Workloads, or anything else whose pod template names a Checkpoint. */
  readonly workloads: readonly {
    readonly metadata: { readonly namespace?: string };
    readonly restoreFrom?: string;
  }[];
  /** The Jobs that exist. Undefined if that is not known. */
  readonly jobs?: readonly { readonly metadata: { readonly uid: string } }[];
  /** Returns the labels of a namespace. */
  readonly labelsOf: (namespace: string) => Readonly<Record<string, string>>;
  /** Returns why the objects of a namespace are not all known. Default: they are. */
  readonly unknown?: (namespace: string) => string | undefined;
}

/** A pod as the policy controller caches it. */
export interface RetainingPodObject {
  readonly pod: Parameters<typeof toRetaining>[0];
  readonly pool?: string;
  readonly isDeleted: boolean;
}

type PolicyScope = Pick<Policy, "namespace"> & { readonly spec: Pick<Policy["spec"], "filter"> };

/**
 * Decides for each Checkpoint that a policy with the action `deleteCheckpoints` selects whether it is deleted or kept, and why.
 * @param filters the table that `spec.filter` refers to. One that Checkpoints do not record selects none
 * @param nowMs when they would be deleted
 * @param deleted UIDs of Checkpoints that were deleted, and may still be in `objects`
 */
export function planPolicy(
  policy: PolicyScope,
  settings: DeleteCheckpointsAction,
  filters: Readonly<Record<string, Filter>>,
  objects: RetentionObjects,
  nowMs: number,
  deleted: ReadonlySet<string> = new Set(),
): readonly RetentionEntry[] {
  return atOnce(decidePolicy(policy, settings, filters, objects, nowMs, deleted));
}

/** The same in steps. `objects` must not change meanwhile. */
export function* decidePolicy(
  { namespace, spec: { filter = {} } }: PolicyScope,
  settings: DeleteCheckpointsAction,
  filters: Readonly<Record<string, Filter>>,
  objects: RetentionObjects,
  nowMs: number,
  deleted: ReadonlySet<string>,
): Steps<readonly RetentionEntry[]> {
  const { policies, createdByUsers = false } = settings;
  const { labelsOf, unknown } = objects;
  const conditions = Object.entries(filter);
  const isSelected = ({ pod, policy }: RetainedCheckpoint): boolean => {
    if (namespace !== undefined && pod.namespace !== namespace) return false;
    if (policy === undefined ? !createdByUsers : policies !== undefined && !policies.includes(policy))
      return false;
    const context = contextOf(nowMs, () => labelsOf(pod.namespace));
    return conditions.every(
      ([name, given]) =>
        (Object.hasOwn(filters, name) && filters[name]?.matchesRecorded?.(given as never, pod, context)) ??
        false,
    );
  };
  const pods = yield* mapped(objects.pods, ({ pod, isDeleted, pool }) => toRetaining(pod, isDeleted, pool));
  const named = new Set<string>();
  yield* each(objects.workloads, ({ metadata, restoreFrom }) => {
    if (restoreFrom !== undefined) named.add(`${metadata.namespace}/${restoreFrom}`);
  });
  const jobs = objects.jobs && new Set<string>();
  yield* each(objects.jobs ?? [], ({ metadata }) => void jobs?.add(metadata.uid));
  const checkpoints: RetainedCheckpoint[] = [];
  yield* each(objects.checkpoints, (one) => {
    if (!deleted.has(one.metadata.uid)) checkpoints.push(toRetained(one));
  });
  return yield* decide(
    {
      limits: settings,
      checkpoints,
      isSelected,
      pods,
      named,
      ...(jobs && { jobs }),
      ...(unknown && { unknown }),
    },
    nowMs,
  );
}
