import type { Rule } from "./policy";

/** Kinds of objects that contain a pod at the same place. */
export interface Workload {
  readonly id: "pods" | "templates" | "cronjobs";
  /** Path to the pod or pod template, which has `metadata` and `spec`. */
  readonly path: readonly string[];
  readonly resources: readonly Pick<Rule, "apiGroups" | "apiVersions" | "resources">[];
}

/** Pods, the built-in kinds with a pod template, and CronJobs, whose template is nested. */
export const WORKLOADS: readonly Workload[] = [
  {
    id: "pods",
    path: [],
    resources: [{ apiGroups: [""], apiVersions: ["v1"], resources: ["pods"] }],
  },
  {
    id: "templates",
    path: ["spec", "template"],
    resources: [
      {
        apiGroups: ["apps"],
        apiVersions: ["v1"],
        resources: ["deployments", "replicasets", "statefulsets", "daemonsets"],
      },
      { apiGroups: ["batch"], apiVersions: ["v1"], resources: ["jobs"] },
      { apiGroups: [""], apiVersions: ["v1"], resources: ["replicationcontrollers"] },
    ],
  },
  {
    id: "cronjobs",
    path: ["spec", "jobTemplate", "spec", "template"],
    resources: [{ apiGroups: ["batch"], apiVersions: ["v1"], resources: ["cronjobs"] }],
  },
];
