import {
  decide,
  projectAdmittedPod,
  readRequest,
  type Decision,
  type RestoreMethods,
} from "../../../../controller/restore/decision";
import { projectCheckpoint, type CheckpointObject } from "../../../../controller/checkpoints/objects";
import type { Json } from "../../../../kube";

/** The configured repository of checkpoints. */
export const REPOSITORY = "registry.example.com/checkpoints";
/** Returns the image of a checkpoint, by digest. */
export const digest = (of: string) =>
  `${REPOSITORY}@sha256:${of === "pod" ? "a".repeat(64) : "b".repeat(64)}`;
/** Returns a time after ten o'clock as RFC 3339. */
export const at = (minutes: number) => new Date(Date.UTC(2026, 0, 1, 10, minutes)).toISOString();

interface Given {
  readonly name?: string;
  readonly uid?: string;
  readonly pod?: string;
  readonly podUID?: string;
  readonly minutes?: number;
  readonly owner?: { kind: string; name: string; uid?: string; apiVersion?: string };
  readonly hash?: string;
  readonly containers?: readonly object[];
  readonly status?: object;
  readonly metadata?: object;
}

/** Returns a Checkpoint as the API server stores it: by default of pod web-0 of StatefulSet web, completed by engine criu. */
export function checkpointJson(given: Given = {}) {
  const { name = "before", pod = "web-0", minutes = 0, hash = "rev-1" } = given;
  const { uid = `uid-${name}`, podUID = `uid-of-${pod}` } = given;
  const owner = "owner" in given ? given.owner : { kind: "StatefulSet", name: "web" };
  return {
    apiVersion: "automation.cedana.ai/v1alpha1",
    kind: "Checkpoint",
    metadata: { name, namespace: "team-a", uid, resourceVersion: "1", generation: 1, ...given.metadata },
    spec: { podRef: { name: pod } },
    status: {
      engine: "criu",
      podUID,
      ...(owner ? { owner: { apiVersion: "apps/v1", uid: "uid-owner", ...owner } } : {}),
      ...(hash ? { podTemplateHash: hash } : {}),
      conditions: [
        {
          type: "Ready",
          status: "True",
          reason: "CheckpointCompleted",
          message: "",
          lastTransitionTime: at(0),
        },
      ],
      completionTime: at(minutes),
      containers: given.containers ?? [saved("app")],
      ...given.status,
    },
  };
}

export const checkpoint = (given?: Given): CheckpointObject =>
  projectCheckpoint(checkpointJson(given) as unknown as Json);

export const saved = (name: string, more: object = {}) => ({
  name,
  image: `${name}:1`,
  location: digest("pod"),
  architecture: "amd64",
  completionTime: at(0),
  ...more,
});

/** Returns a pod of an admission review: by default web-0 of StatefulSet web, with a request for `latest`. */
export function podJson(
  given: {
    readonly name?: string;
    readonly generateName?: string;
    readonly owner?: { kind: string; name: string; uid?: string; apiVersion?: string };
    readonly labels?: Record<string, string>;
    readonly annotations?: Record<string, string>;
    readonly spec?: object;
    readonly containers?: readonly object[];
  } = {},
) {
  const owner = "owner" in given ? given.owner : { kind: "StatefulSet", name: "web" };
  const { name = given.generateName === undefined ? "web-0" : undefined, generateName } = given;
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      ...(name === undefined ? {} : { name }),
      ...(generateName === undefined ? {} : { generateName }),
      ...(owner
        ? { ownerReferences: [{ apiVersion: "apps/v1", uid: "uid-owner", controller: true, ...owner }] }
        : {}),
      labels: given.labels ?? { "controller-revision-hash": "rev-1" },
      annotations: { "cedana.ai/restore-from": "latest", ...given.annotations },
    },
    spec: {
      containers: given.containers ?? [{ name: "app", image: "app:1" }],
      ...given.spec,
    },
  };
}

export type Pod = Parameters<typeof podJson>[0];
export type Checkpoints = readonly ReturnType<typeof checkpoint>[];

export type Restored = Extract<Decision, { is: "restore" }>;

/** Returns the restore by the engine criu with these RuntimeClasses, by architecture. */
export function byPlan(runtimeClasses: Readonly<Record<string, string>>): RestoreMethods {
  const repository = REPOSITORY;
  const method = {
    namespace: "agents",
    repository,
    restart: "fresh",
    lazy: false,
    timeoutSeconds: 300,
  } as const;
  return new Map([["criu", { ...method, runtimeClasses }]]);
}

export const CLASSES = { amd64: "cedana-criu-amd64", arm64: "cedana-criu-arm64" };

/** Labels of the nodes that restore. */
export const NODES = { "cedana.ai/enabled": "true" };

/** Returns the decision on a pod, with nodes labelled cedana.ai/enabled=true. */
export function decided(
  pod: Pod,
  checkpoints: Checkpoints,
  running: readonly string[] = [],
  methods: RestoreMethods = byPlan(CLASSES),
): Decision {
  const admitted = projectAdmittedPod(podJson(pod) as unknown as Json);
  const request = readRequest(admitted.annotations);
  if (typeof request === "string") return { is: "invalid", reason: request, cause: "InvalidRequest" };
  return decide(admitted, request, checkpoints, { running: new Set(running), nodeSelector: NODES, methods });
}
