import {
  APPARMOR_ANNOTATION,
  LATEST,
  REQUEST,
  SANDBOX,
  type CheckpointStatus,
  type VerifyAction,
} from "../../api";
import { parseQuantity } from "../../config/schema";
import { itemsAt, textAt, textsAt, type Json } from "../../kube";
import { CHECKPOINT, type CheckpointObject } from "../checkpoints/objects";
import { obstaclesOf, sandboxSpec } from "./spec";

/** What a verification must know after the controller has restarted. In an annotation of the sandbox pod, as JSON. */
export interface SandboxSettings {
  /** Name of the policy. */
  readonly policy: string;
  /** Name of the pod that was due. */
  readonly pod: string;
  readonly runSeconds: number;
  readonly timeoutSeconds: number;
  readonly hasProbe: boolean;
}

/** What a sandbox pod is created for. */
export interface SandboxRequest {
  /** Name of the sandbox pod. */
  readonly name: string;
  readonly policy: { readonly name: string; readonly uid: string };
  readonly settings: VerifyAction;
  /** Labels of the nodes for sandbox pods. */
  readonly nodeSelector: Readonly<Record<string, string>>;
}

/** Name and resource requests of a sandbox pod, and the object; or why there can be none. */
export type Derived =
  | { readonly pod: SandboxPod }
  /** Not empty. */
  | { readonly obstacles: readonly string[] };

export interface SandboxPod {
  readonly metadata: {
    readonly namespace: string;
    readonly name: string;
    readonly [field: string]: unknown;
  };
  readonly spec: { readonly [field: string]: unknown };
}

/** Defaults of the kind, which the API server sets. */
const RUN_SECONDS = 30;
const TIMEOUT_SECONDS = 600;
/** Attempts that may fail: the kubelet then calls the container not ready. */
const FAILURES = 3;
/** Without it, the cluster autoscaler keeps a node because of a pod without a controller. */
const SAFE_TO_EVICT = { "cluster-autoscaler.kubernetes.io/safe-to-evict": "true" };

/**
 * Derives the sandbox pod of a Checkpoint from the pod that it is of, or from one of the same template. The sandbox pod has the
 * labels of none of both, and no controller: no Service selects it, and no owner adopts it.
 */
export function deriveSandbox(
  pod: Json,
  checkpoint: CheckpointObject,
  { name, policy, settings, nodeSelector }: SandboxRequest,
): Derived {
  const { namespace, name: checkpointName, uid } = checkpoint.metadata;
  const restored = restoredContainers(checkpoint.status);
  const { probe, runSeconds = RUN_SECONDS, timeoutSeconds = TIMEOUT_SECONDS } = settings;
  const own = textsAt(pod, "spec", "nodeSelector");
  const conflicts = Object.entries(nodeSelector).filter(([key, value]) => (own[key] ?? value) !== value);
  const obstacles = [
    ...obstaclesOf(pod, restored),
    ...conflicts.map(
      ([key, value]) =>
        `the pod requires nodes with ${key}=${own[key]}, sandbox pods are for nodes with ${key}=${value} (install.policies.verify.nodeSelector)`,
    ),
    ...(probe?.container === undefined || restored.includes(probe.container)
      ? []
      : [`the checkpoint has no container ${probe.container} for the probe; it has ${restored.join(", ")}`]),
    // Admission would select another one.
    ...(checkpointName === LATEST ? [`a Checkpoint of the name ${LATEST} cannot be requested`] : []),
  ];
  if (obstacles.length > 0) return { obstacles };
  const record: SandboxSettings = {
    policy: policy.name,
    pod: textAt(pod, "metadata", "name") ?? "",
    runSeconds,
    timeoutSeconds,
    hasProbe: probe !== undefined,
  };
  const { apiVersion, kind } = CHECKPOINT;
  return {
    pod: {
      metadata: {
        namespace,
        name,
        labels: { [SANDBOX.label]: policy.uid },
        annotations: {
          ...apparmorOf(pod, restored),
          ...SAFE_TO_EVICT,
          [REQUEST.from]: checkpointName,
          [REQUEST.fallback]: "stop",
          [REQUEST.shared]: "true",
          [SANDBOX.settings]: JSON.stringify(record),
        },
        // Deleted with the Checkpoint, also while no controller runs. No controller: no ReplicaSet or Job counts it.
        ownerReferences: [{ apiVersion, kind, name: checkpointName, uid }],
      },
      spec: sandboxSpec(pod, restored, {
        nodeSelector,
        deadlineSeconds: timeoutSeconds,
        ...(probe && {
          probe: {
            container: probe.container,
            readinessProbe: {
              exec: { command: probe.command },
              periodSeconds: probe.periodSeconds ?? 5,
              timeoutSeconds: probe.timeoutSeconds ?? 5,
              failureThreshold: FAILURES,
            },
          },
        }),
      }),
    },
  };
}

/** Returns the names of the containers that a restore brings back. */
export function restoredContainers({ containers = [] }: CheckpointStatus): readonly string[] {
  return containers.flatMap(({ name, completionTime }) => (completionTime === undefined ? [] : [name]));
}

/** Reads the annotation. Undefined if the controller did not write it. */
export function readSettings(text: string | undefined): SandboxSettings | undefined {
  if (text === undefined) return undefined;
  try {
    const { policy, pod, runSeconds, timeoutSeconds, hasProbe } = JSON.parse(
      text,
    ) as Partial<SandboxSettings>;
    if (typeof policy !== "string" || typeof pod !== "string" || typeof hasProbe !== "boolean")
      return undefined;
    if (!isSeconds(runSeconds) || !isSeconds(timeoutSeconds)) return undefined;
    return { policy, pod, runSeconds, timeoutSeconds, hasProbe };
  } catch {
    return undefined;
  }
}

const isSeconds = (value: unknown): value is number =>
  typeof value === "number" && Number.isSafeInteger(value) && value > 0;

/** Returns the requests of a pod in billionths, by resource: those of the pod, or of its containers together. */
export function requestsOf(pod: Json): Readonly<Record<string, bigint>> {
  const total: Record<string, bigint> = {};
  const containers = [...itemsAt(pod, "spec", "containers"), ...itemsAt(pod, "spec", "initContainers")];
  for (const one of containers)
    for (const [name, value] of quantitiesAt(one, "resources")) total[name] = (total[name] ?? 0n) + value;
  return { ...total, ...Object.fromEntries(quantitiesAt(pod, "spec", "resources")) };
}

function quantitiesAt(json: Json, ...path: readonly string[]): (readonly [name: string, nanos: bigint])[] {
  const texts = Object.entries(textsAt(json, ...path, "requests"));
  return texts.map(([name, value]) => [name, parseQuantity(value) ?? 0n] as const);
}

function apparmorOf(pod: Json, restored: readonly string[]): Readonly<Record<string, string>> {
  const own = Object.entries(textsAt(pod, "metadata", "annotations"));
  return Object.fromEntries(
    own.filter(
      ([key]) =>
        key.startsWith(APPARMOR_ANNOTATION) && restored.includes(key.slice(APPARMOR_ANNOTATION.length)),
    ),
  );
}
