/** Limits of what the actions of policies may write. */
import { SUSPENDED } from "../../../api";
import { policiesOf, type ResolvedInstall } from "../../../config/install";
import { equalExcept, text, type Rule } from "../admission";

/** A limit of the controller's requests to one resource. */
export interface Bound {
  readonly id: string;
  readonly rule: Rule;
  readonly validations: readonly { readonly expression: string; readonly message: string }[];
}

/** Returns the limits for the actions that the install enables. */
export function actionBounds(install: ResolvedInstall): readonly Bound[] {
  const policies = policiesOf(install);
  if (!policies) return [];
  const { actions } = policies;
  const isScaled = actions.includes("suspend") || actions.includes("resume");
  return [
    ...(actions.includes("checkpointThenDelete") ? [EVICTIONS] : []),
    ...(isScaled ? [WORKLOADS, JOBS] : []),
  ];
}

/** Without the UID, another pod of the name could be evicted that has no Checkpoint. */
const EVICTIONS: Bound = {
  id: "evictions",
  rule: {
    apiGroups: [""],
    apiVersions: ["v1"],
    resources: ["pods/eviction"],
    operations: ["CREATE"],
    scope: "Namespaced",
  },
  validations: [
    {
      expression:
        "object.?deleteOptions.?preconditions.?uid.orValue('') != '' && !object.?deleteOptions.?gracePeriodSeconds.hasValue()",
      message: "the controller evicts only the pod with a UID, and does not shorten its grace period",
    },
  ],
};

/** Fields of the metadata that change with each write. */
const OF_THE_WRITE = ["managedFields", "resourceVersion", "generation"];
const MARKS = [SUSPENDED.replicas, SUSPENDED.at, SUSPENDED.by];
const replicasIn = (annotations: string) =>
  `variables.${annotations}[?${text(SUSPENDED.replicas)}].orValue('')`;

const METADATA_KEPT = {
  expression: [
    equalExcept("dyn(object.metadata)", "dyn(oldObject.metadata)", [
      ...OF_THE_WRITE,
      "labels",
      "annotations",
    ]),
    equalExcept("variables.labels", "variables.labelsBefore", [SUSPENDED.label]),
    equalExcept("variables.annotations", "variables.annotationsBefore", MARKS),
  ].join(" && "),
  message: `the controller changes no metadata of a workload but the label ${SUSPENDED.label} and the annotations of its suspension`,
};

/** To zero with the replicas in the annotation, and from zero to those in the annotation. */
const WORKLOADS: Bound = {
  id: "workloads",
  rule: {
    apiGroups: ["apps"],
    apiVersions: ["v1"],
    resources: ["deployments", "statefulsets", "replicasets"],
    operations: ["UPDATE"],
    scope: "Namespaced",
  },
  validations: [
    METADATA_KEPT,
    {
      expression: equalExcept("dyn(object.spec)", "dyn(oldObject.spec)", ["replicas"]),
      message: "the controller changes no field of a workload but its replicas",
    },
    {
      expression: [
        "object.spec.replicas == oldObject.spec.replicas",
        `(object.spec.replicas == 0 && ${replicasIn("annotations")} == string(oldObject.spec.replicas))`,
        `(oldObject.spec.replicas == 0 && ${replicasIn("annotationsBefore")} == string(object.spec.replicas))`,
      ].join(" || "),
      message: `the controller scales a workload to 0, with its replicas in the annotation ${SUSPENDED.replicas}, or from 0 to these`,
    },
  ],
};

const JOBS: Bound = {
  id: "jobs",
  rule: {
    apiGroups: ["batch"],
    apiVersions: ["v1"],
    resources: ["jobs"],
    operations: ["UPDATE"],
    scope: "Namespaced",
  },
  validations: [
    METADATA_KEPT,
    {
      expression: equalExcept("dyn(object.spec)", "dyn(oldObject.spec)", ["suspend"]),
      message: "the controller changes no field of a Job but suspend",
    },
    {
      expression: `object.spec.?suspend.orValue(false) == oldObject.spec.?suspend.orValue(false) || ${replicasIn("annotations")} != '' || ${replicasIn("annotationsBefore")} != ''`,
      message: `the controller suspends a Job with the annotation ${SUSPENDED.replicas}, and resumes only such a Job`,
    },
  ],
};
