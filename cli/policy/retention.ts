/** Reads the objects for the preview of a policy with the action `deleteCheckpoints`, from a cluster or a file. */
import {
  CHECKPOINT,
  JOB,
  WORKLOADS,
  type PodObject,
  type RetentionObjects,
  type WorkloadObject,
} from "../../controller/policies/preview";
import { ApiError, type Client, type Json } from "../../kube/client";
import { CommandError, EXIT } from "../errors";

/** Objects for a decision about Checkpoints, without the labels of namespaces. */
export interface RetentionSource extends Omit<RetentionObjects, "labelsOf" | "unknown"> {
  readonly pods: readonly PodObject[];
  readonly workloads: readonly WorkloadObject[];
  /** Kinds that protect Checkpoints and of which a file has no object. */
  readonly absent: readonly string[];
}

/** Lists the Checkpoints of a namespace, or of all, and what protects them. @param pods the pods there */
export async function listRetention(
  client: Client,
  namespace: string | undefined,
  pods: readonly PodObject[],
): Promise<RetentionSource> {
  const scope = namespace === undefined ? {} : { namespace };
  const [checkpoints, ...workloads] = await Promise.all([
    client.list(CHECKPOINT, scope).catch(noneIfMissing),
    ...WORKLOADS.map((kind) => client.list(kind, scope)),
  ]);
  const jobs = workloads[WORKLOADS.indexOf(JOB)] ?? [];
  return { checkpoints, pods, workloads: workloads.flat(), jobs, absent: [] };
}

/** Returns no objects if the cluster does not have the kind. @throws other errors */
function noneIfMissing(error: unknown): readonly never[] {
  if (error instanceof ApiError && error.status === 404) return [];
  throw error;
}

/**
 * Reads the objects from a file.
 * @param ofKind returns its objects of a kind, with complete metadata
 * @throws CommandError (exit code 2) for a Checkpoint without a pod
 */
export function readRetention(
  file: string,
  ofKind: (kind: string) => readonly Json[],
  pods: readonly PodObject[],
): RetentionSource {
  const checkpoints = ofKind(CHECKPOINT.kind).map((object) => CHECKPOINT.project(object));
  const invalid = checkpoints.filter(({ spec }) => typeof spec.podRef?.name !== "string");
  if (invalid.length > 0) {
    const names = invalid.map(({ metadata: { namespace, name } }) => `${namespace}/${name}`).join(", ");
    const problem = `${file}: has Checkpoints without spec.podRef.name: ${names}`;
    throw new CommandError(`${problem}; create it by kubectl get checkpoints -A -o yaml`, EXIT.badInput);
  }
  const workloads = WORKLOADS.map((kind) => ofKind(kind.kind).map((object) => kind.project(object)));
  const jobs = workloads[WORKLOADS.indexOf(JOB)] ?? [];
  return {
    checkpoints,
    pods,
    workloads: workloads.flat(),
    // A file without Jobs may be incomplete. Then the Checkpoints of Jobs stay.
    ...(jobs.length === 0 ? {} : { jobs }),
    absent: [
      ...(pods.length === 0 ? ["Pod"] : []),
      ...WORKLOADS.filter((_, index) => workloads[index]?.length === 0).map(({ kind }) => kind),
    ],
  };
}

/** Returns the objects in the namespaces that the controller reconciles. */
export function reconciledOf(
  { checkpoints, pods, workloads, jobs }: RetentionSource,
  isReconciled: (namespace: string) => boolean,
  labelsOf: RetentionObjects["labelsOf"],
): RetentionObjects {
  const within = <T extends { readonly metadata: { readonly namespace?: string } }>(all: readonly T[]) =>
    all.filter(({ metadata }) => isReconciled(metadata.namespace ?? ""));
  return {
    checkpoints: within(checkpoints),
    pods: pods.filter(({ pod }) => isReconciled(pod.namespace)),
    workloads: within(workloads),
    ...(jobs && { jobs }),
    labelsOf,
  };
}
