import * as v from "../schema/valibot";
import type { Taint } from "../nodes/taint";
import type { Problem } from "../schema/problem";
import { derived, described, dnsLabel, dnsSubdomain, labelKey, labelValue, shape } from "../schema";
import { labels, quantities, toleration } from "../pod";

const taint = shape({
  key: described(labelKey, "Key of the taint."),
  value: described(derived(labelValue, "the empty value"), "Value of the taint."),
  effect: described(v.picklist(["NoSchedule", "PreferNoSchedule", "NoExecute"]), "Effect of the taint."),
});

const flavor = shape({
  name: described(v.optional(dnsSubdomain, "cedana"), "Name of the ResourceFlavor."),
  nodeLabels: described(
    derived(labels, "install.nodeSelector"),
    "Labels of the flavor's nodes. Include the label of the GPU model: a restore requires the same model.",
  ),
  nodeTaints: described(
    v.optional(v.array(taint), []),
    "Taints of the flavor's nodes that a workload must tolerate. Must not contain the startup taint, which is temporary.",
  ),
  tolerations: described(
    v.optional(v.array(toleration), []),
    "Tolerations that Kueue adds to workloads of the flavor.",
  ),
  quotas: described(
    v.optional(quantities, { cpu: "3500", memory: "2000Gi", pods: "3000" }),
    "Nominal quota of each resource, such as nvidia.com/gpu. The default is from Cedana's chart.",
  ),
});

const localQueue = shape({
  namespace: described(dnsLabel, "Namespace of the workloads."),
  name: described(
    v.optional(dnsSubdomain, "user-queue"),
    "Name of the LocalQueue, to which workloads refer by kueue.x-k8s.io/queue-name.",
  ),
});

const preemption = shape({
  withinClusterQueue: described(
    v.optional(v.picklist(["Never", "LowerPriority", "LowerOrNewerEqualPriority"]), "LowerPriority"),
    "Workloads that a pending workload may preempt within the queue.",
  ),
  reclaimWithinCohort: described(
    v.optional(v.picklist(["Never", "LowerPriority", "Any"]), "Any"),
    "Workloads that a pending workload may preempt in queues that borrow from this queue.",
  ),
});

/** Describes the Kueue queues of checkpointed workloads. */
export const kueueSchema = shape({
  clusterQueue: described(v.optional(dnsSubdomain, "cluster-queue"), "Name of the ClusterQueue."),
  cohortName: described(
    derived(dnsSubdomain, "none"),
    "Cohort of the queue. The queues of a cohort share quota.",
  ),
  namespaceSelector: described(
    v.optional(labels, {}),
    "Labels of the namespaces whose workloads the queue admits. {} selects every namespace.",
  ),
  flavors: described(
    v.optional(v.array(flavor), [{}]),
    "ResourceFlavors, in the order in which they are tried.",
  ),
  preemption: described(
    v.optional(preemption, {}),
    "Preemption of workloads. A preempted workload is restored from its checkpoint.",
  ),
  localQueues: described(v.array(localQueue), "LocalQueues, one for each namespace with workloads."),
});

export interface KueueSpec extends v.InferInput<typeof kueueSchema> {}
export type ResolvedKueue = v.InferOutput<typeof kueueSchema>;

/** Checks the queues across several properties. */
export function checkKueue({ flavors, localQueues }: ResolvedKueue, gate: Taint): Problem[] {
  const problems: Problem[] = [];
  const [first] = flavors;
  if (first === undefined) {
    problems.push({ code: "empty", path: ["flavors"], message: "is empty", allowed: "at least one flavor" });
  }
  if (localQueues.length === 0) {
    problems.push({
      code: "empty",
      path: ["localQueues"],
      message: "is empty: no workload could be queued",
      allowed: "at least one { namespace }",
    });
  }
  for (const [index, { namespace, name }] of localQueues.entries()) {
    if (localQueues.findIndex((other) => other.namespace === namespace && other.name === name) === index)
      continue;
    problems.push({
      code: "duplicate-name",
      path: ["localQueues", index, "name"],
      message: "is already the name of a queue in this namespace",
      given: name,
    });
  }
  const expected = Object.keys(first?.quotas ?? {}).toSorted();
  for (const [index, flavor] of flavors.entries()) {
    const path = ["flavors", index];
    if (flavors.findIndex(({ name }) => name === flavor.name) < index) {
      problems.push({
        code: "duplicate-name",
        path: [...path, "name"],
        message: "is already the name of an earlier flavor",
        given: flavor.name,
      });
    }
    if (expected.length === 0 && index === 0) {
      problems.push({
        code: "empty",
        path: [...path, "quotas"],
        message: "is empty: no workload could be admitted",
        allowed: 'at least one resource, such as cpu: "64"',
      });
    } else if (Object.keys(flavor.quotas).toSorted().join() !== expected.join()) {
      problems.push({
        code: "quota-mismatch",
        path: [...path, "quotas"],
        message: "has different resources than the first flavor",
        given: Object.keys(flavor.quotas).join(", "),
        allowed: expected.join(", "),
        remedy: 'set the same resources in all flavors, with the quota "0" if a flavor has none',
      });
    }
    for (const [at, { key }] of flavor.nodeTaints.entries()) {
      if (key !== gate.key) continue;
      problems.push({
        code: "startup-taint-in-flavor",
        path: [...path, "nodeTaints", at],
        message: "is the startup taint, which every workload would have to tolerate",
        given: key,
        remedy: "remove it: the taint is removed from ready nodes",
      });
    }
  }
  return problems;
}
