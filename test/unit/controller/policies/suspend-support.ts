/** A simulated Deployment and policies with the actions `suspend` and `resume`. */
import { policyControllers } from "../../../../controller/policies";
import { ACTIONS } from "../../../../controller/policies/actions";
import { Metrics, type EventInput } from "../../../../kube";
import { FakeApi, type Stored } from "../../../../testbed/fake-api";
import { MEMORY } from "./cluster";
import { lead, runtimeOn } from "../../../support/controller-runtime";

const IN_A = "/apis/automation.cedana.ai/v1alpha1/namespaces/team-a";
export const PODS = "/api/v1/namespaces/team-a/pods";
const DEPLOYMENTS = "/apis/apps/v1/namespaces/team-a/deployments";
export const REPLICA_SETS = "/apis/apps/v1/namespaces/team-a/replicasets";
export const seconds = (count: number) => jest.advanceTimersByTimeAsync(count * 1000);
export const put = (path: string, object: object) =>
  world.api.put(path, object as Parameters<FakeApi["put"]>[1]);
export const later = (count: number) => new Date(Date.now() + count * 1000).toISOString();

/** The API server of the test, and what the controllers do. */
export const world = { api: new FakeApi(), stops: [] as (() => void)[], events: [] as EventInput[] };

export function reset(): void {
  Object.assign(world, { api: new FakeApi(), stops: [], events: [] });
  put("/api/v1/namespaces", { metadata: { name: "team-a" } });
}

/** Starts the controllers as a leader. @returns the function that ends them */
export function start(): () => void {
  const stop = new AbortController();
  const runtime = runtimeOn(world.api, { events: world.events, metrics: new Metrics() });
  const controllers = policyControllers({
    ...runtime,
    settings: { maxInFlight: 50, actions: Object.keys(ACTIONS) as never, memory: MEMORY },
    checkpoints: { namespaces: "all", maxPerNode: 10 },
  });
  void lead(runtime, controllers, stop.signal);
  const end = () => stop.abort();
  world.stops.push(end);
  return end;
}

export function policy(name: string, spec: object): Stored {
  return put(`${IN_A}/checkpointpolicies`, {
    apiVersion: "automation.cedana.ai/v1alpha1",
    kind: "CheckpointPolicy",
    metadata: { name, namespace: "team-a", generation: 1 },
    spec: {
      suspend: false,
      trigger: { manual: {} },
      minSpacingSeconds: 0,
      deadlineSeconds: 600,
      maxInFlight: 10,
      ...spec,
    },
  });
}

/** Creates a Deployment with its ReplicaSet and pods. @returns its path */
export function deployment(pods: number, { replicas = pods, kind = "Deployment" } = {}): string {
  const labels = { app: "web", "pod-template-hash": "6c" };
  const spec = { replicas, selector: { matchLabels: { app: "web" } }, template: { metadata: { labels } } };
  const owner = put(DEPLOYMENTS, { metadata: { name: "web", namespace: "team-a" }, spec });
  const set = put(REPLICA_SETS, {
    metadata: {
      name: "web-6c",
      namespace: "team-a",
      ownerReferences: [
        { apiVersion: "apps/v1", kind, name: "web", uid: owner.metadata.uid, controller: true },
      ],
    },
    spec,
  });
  for (let index = 0; index < pods; index++) pod(`web-6c-${index}`, set.metadata.uid);
  return `${DEPLOYMENTS}/web`;
}

export function pod(name: string, ownerUID: string): void {
  put(PODS, {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name,
      namespace: "team-a",
      labels: { app: "web", "pod-template-hash": "6c" },
      ownerReferences: [
        { apiVersion: "apps/v1", kind: "ReplicaSet", name: "web-6c", uid: ownerUID, controller: true },
      ],
    },
    spec: { nodeName: "n1", containers: [{ name: "main", image: "app" }] },
    status: { phase: "Running" },
  });
}

export const setUID = () => world.api.get(`${REPLICA_SETS}/web-6c`)?.metadata.uid ?? "";

/** Requests what a manual policy does, by the annotation of the ReplicaSet or the given object. */
export function request(path = `${REPLICA_SETS}/web-6c`): void {
  world.api.edit(path, ({ metadata }) => {
    metadata["annotations"] = {
      ...(metadata["annotations"] as object),
      "cedana.ai/checkpoint-requested-at": later(1),
    };
  });
}

/** Starts the controllers with a Deployment of some pods, and requests its suspension. @returns the path of the Deployment */
export async function suspending(pods: number): Promise<string> {
  policy("night", SUSPEND);
  const path = deployment(pods);
  start();
  await seconds(2);
  request();
  await seconds(3);
  return path;
}

export async function checkpoints(): Promise<Stored[]> {
  const { items } = (await world.api.send("GET", `${IN_A}/checkpoints`)) as { items: Stored[] };
  return items;
}

/** Ends the Checkpoints of these pods. Default: all. */
export async function finish(names?: readonly string[], state: "Ready" | "Failed" = "Ready"): Promise<void> {
  for (const { metadata, ...object } of await checkpoints()) {
    const { podRef } = object["spec"] as { podRef: { uid: string; name: string } };
    if (names && !names.includes(podRef.name)) continue;
    world.api.edit(`${IN_A}/checkpoints/${metadata.name}`, (one) => {
      one["status"] ??= {
        podUID: podRef.uid,
        completionTime: new Date().toISOString(),
        conditions: ["Ready", "Progressing", "Failed"].map((type) => ({
          type,
          status: type === state ? "True" : "False",
          reason: state === "Ready" ? "CheckpointCompleted" : "CheckpointFailed",
          message: state === "Ready" ? "" : "criu failed",
        })),
      };
    });
  }
}

interface Scaled {
  readonly replicas: number;
  readonly labels: Record<string, string>;
  readonly annotations: Record<string, string>;
}

export function scaleOf(path: string): Scaled {
  const { metadata, spec } = world.api.get(path) as unknown as {
    metadata: { labels?: Record<string, string>; annotations?: Record<string, string> };
    spec: { replicas: number };
  };
  return { replicas: spec.replicas, labels: metadata.labels ?? {}, annotations: metadata.annotations ?? {} };
}

export const failures = (name: string) =>
  (
    (world.api.get(`${IN_A}/checkpointpolicies/${name}`)?.["status"] ?? {}) as {
      lastFailures?: { message: string; reason: string }[];
    }
  ).lastFailures ?? [];

export const SUSPEND = { action: { suspend: {} } };
export const RESUME = { action: { resume: {} } };
