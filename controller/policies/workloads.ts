/** Workloads that policies suspend and resume, read and written one at a time. */
import { readableFields } from "../../config/cel";
import { SUSPENDED, type LabelSelector, type SuspendableKind } from "../../api";
import {
  hasStatus,
  itemsAt,
  isTrueAt,
  kindOf,
  metadataOf,
  numberAt,
  at,
  textAt,
  textsAt,
  type Client,
  type Events,
  type Json,
  type Kind,
  type KubernetesObject,
} from "../../kube";
import { containersOf } from "../checkpoints/objects";
import { requestIn, requestMs, type PodObject } from "./objects";

/** A workload with the fields in use. */
export interface Workload extends KubernetesObject {
  readonly kind: SuspendableKind;
  /** Of a Job: 0 if it is suspended, else 1. */
  readonly replicas: number;
  readonly annotations: Readonly<Record<string, string>>;
  readonly isMarked: boolean;
  readonly selector: LabelSelector;
  readonly ownerUIDs: readonly string[];
}

const API: Readonly<Record<SuspendableKind, readonly [apiVersion: string, plural: string]>> = {
  Deployment: ["apps/v1", "deployments"],
  StatefulSet: ["apps/v1", "statefulsets"],
  ReplicaSet: ["apps/v1", "replicasets"],
  Job: ["batch/v1", "jobs"],
};
const KINDS = Object.keys(API) as SuspendableKind[];

const kindWith = <T>(kind: SuspendableKind, project: (raw: Json) => T): Kind<T> =>
  kindOf({ apiVersion: API[kind][0], kind, plural: API[kind][1] }, project);

const READ = Object.fromEntries(
  KINDS.map((kind) => [kind, kindWith(kind, (raw) => projectWorkload(kind, raw))]),
) as Record<SuspendableKind, Kind<Workload>>;

function projectWorkload(kind: SuspendableKind, raw: Json): Workload {
  const isJob = kind === "Job";
  return {
    kind,
    metadata: metadataOf(raw),
    replicas: isJob ? (isTrueAt(raw, "spec", "suspend") ? 0 : 1) : (numberAt(raw, "spec", "replicas") ?? 1),
    annotations: textsAt(raw, "metadata", "annotations"),
    isMarked: textAt(raw, "metadata", "labels", SUSPENDED.label) !== undefined,
    selector: (at(raw, "spec", "selector") ?? {}) as unknown as LabelSelector,
    ownerUIDs: itemsAt(raw, "metadata", "ownerReferences").map((owner) => textAt(owner, "uid") ?? ""),
  };
}

/** Returns the kind if it can be suspended. */
export function suspendable(kind: string | undefined): SuspendableKind | undefined {
  return KINDS.find((one) => one === kind);
}

/** Reads a workload. @returns undefined if there is none */
export function readWorkload(
  client: Pick<Client, "get">,
  kind: SuspendableKind,
  key: { readonly namespace: string; readonly name: string },
  signal: AbortSignal,
): Promise<Workload | undefined> {
  return client.get(READ[kind], key, { signal });
}

/** Returns the selector as the API's text. */
export function selectorText({ matchLabels = {}, matchExpressions = [] }: LabelSelector): string {
  return [
    ...Object.entries(matchLabels).map(([key, value]) => `${key}=${value}`),
    ...matchExpressions.map(({ key, operator, values = [] }) => {
      if (operator === "Exists") return key;
      if (operator === "DoesNotExist") return `!${key}`;
      return `${key} ${operator === "In" ? "in" : "notin"} (${values.join(",")})`;
    }),
  ].join(",");
}

/**
 * Sets the replicas and the marks in one write, for the version that was read.
 * @param marks values of SUSPENDED; null removes them
 * @returns false if the workload has changed since it was read
 */
export async function scale(
  client: Pick<Client, "strategicPatch">,
  { kind, metadata }: Workload,
  replicas: number | undefined,
  marks: Readonly<Record<keyof typeof SUSPENDED, string | null>>,
  signal: AbortSignal,
): Promise<boolean> {
  const { uid, resourceVersion } = metadata;
  const field = kind === "Job" ? { suspend: replicas === 0 } : { replicas };
  const patch = {
    metadata: {
      uid,
      resourceVersion,
      labels: { [SUSPENDED.label]: marks.label },
      annotations: {
        [SUSPENDED.replicas]: marks.replicas,
        [SUSPENDED.at]: marks.at,
        [SUSPENDED.by]: marks.by,
      },
    },
    ...(replicas === undefined ? {} : { spec: field }),
  };
  try {
    await client.strategicPatch(READ[kind], metadata, patch, { signal });
    return true;
  } catch (error) {
    if (hasStatus(error, 409)) return false;
    throw error;
  }
}

/** Records an event of the workload. */
export function reportWorkload(
  events: Events,
  { kind, metadata: { name, namespace = "", uid } }: Workload,
  reason: string,
  note: string,
): void {
  const regarding = { apiVersion: API[kind][0], kind, name, namespace, uid };
  events.record({ regarding, type: "Normal", reason, action: "Scale", note });
}

/** Suspended workloads, as the pods that they would have: the subjects of the action `resume`. */
export const SUSPENDED_WORKLOADS: readonly Kind<PodObject>[] = KINDS.map((kind) =>
  kindWith(kind, (raw) => projectSuspended(kind, raw)),
);
export const SUSPENDED_SELECTOR = `${SUSPENDED.label}=true`;

function projectSuspended(kind: SuspendableKind, raw: Json): PodObject {
  const metadata = metadataOf(raw);
  const { uid, name, namespace = "" } = metadata;
  const template = at(raw, "spec", "template") ?? null;
  const requestedAt = requestIn(raw);
  return {
    metadata,
    pod: {
      uid,
      namespace,
      name,
      isSuspendedWorkload: true,
      // A request before the suspension is done.
      createdMs: requestMs(textAt(raw, "metadata", "annotations", SUSPENDED.at)) ?? 0,
      labels: textsAt(template, "metadata", "labels"),
      owner: { kind, name },
      phase: "Running",
      revision: { id: uid, name },
      memoryLimits: {},
      restarts: 0,
      containers: containersOf(template).map((one) => textAt(one, "name") ?? ""),
      fields: readableFields(template),
    },
    ...(requestedAt === undefined ? {} : { requestedAt }),
    isDeleted: textAt(raw, "metadata", "deletionTimestamp") !== undefined,
    isSandbox: false,
  };
}
