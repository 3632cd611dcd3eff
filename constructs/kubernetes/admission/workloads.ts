import type { Rule } from "./policy";

/** Kinds of objects that contain a pod at the same place. */
export interface Workload {
  readonly id: "pods" | "templates" | "cronjobs";
  /** Path to the pod or pod template, which has `metadata` and `spec`. */
  readonly path: readonly string[];
  /** Writes of the objects. */
  readonly rules: readonly Rule[];
}

const written = (group: string, ...resources: string[]): Rule => ({
  apiGroups: [group],
  apiVersions: ["v1"],
  resources,
  operations: ["CREATE", "UPDATE"],
  scope: "Namespaced",
});

/** Pods, the built-in kinds with a pod template, and CronJobs, whose template is nested. */
export const WORKLOADS: readonly Workload[] = [
  { id: "pods", path: [], rules: [written("", "pods")] },
  {
    id: "templates",
    path: ["spec", "template"],
    rules: [
      written("apps", "deployments", "replicasets", "statefulsets", "daemonsets"),
      written("batch", "jobs"),
      written("", "replicationcontrollers"),
    ],
  },
  {
    id: "cronjobs",
    path: ["spec", "jobTemplate", "spec", "template"],
    rules: [written("batch", "cronjobs")],
  },
];
