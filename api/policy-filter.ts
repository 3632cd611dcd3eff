import { CONTAINERS } from "./checkpoint";
import { selector } from "./policy-selector";
import {
  integer,
  labelName,
  list,
  MONTH_SECONDS,
  object,
  oneOf,
  optional,
  podName,
  text,
  type Infer,
} from "./schema";

/** Kinds of the controllers that own pods. A Deployment owns its pods by a ReplicaSet. */
export const OWNER_KINDS = ["Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "Job", "None"] as const;
/** Phases of a pod that can be checkpointed, now or later. */
export const POD_PHASES = ["Pending", "Running"] as const;

/** Maximum number of names. */
export const MAX_LIST = 64;
/** Maximum length of an expression, in characters. */
export const MAX_EXPRESSION = 1024;

const owner = object(
  undefined,
  {
    kind: oneOf("Kind of the owner. None: pods without an owner.", OWNER_KINDS),
    names: optional(
      list("Names of owners. Default: all.", podName("Name."), {
        minItems: 1,
        maxItems: MAX_LIST,
        merge: "set",
      }),
    ),
  },
  [{ rule: "self.kind != 'None' || !has(self.names)", message: "names have no effect with the kind None" }],
);

const restarts = object(
  "Number of restarts of all containers of the pod.",
  {
    min: optional(integer("Minimum.", 0, 1_000_000)),
    max: optional(integer("Maximum.", 0, 1_000_000)),
  },
  [
    {
      rule: "!has(self.min) || !has(self.max) || self.min <= self.max",
      message: "selects nothing: restarts.min exceeds restarts.max",
    },
  ],
);

const fields = {
  pods: optional(selector("Labels of pods.")),
  owners: optional(
    list("Controllers that own the pods. A pod matches if one of them owns it.", owner, {
      minItems: 1,
      maxItems: MAX_LIST,
      merge: "atomic",
    }),
  ),
  containers: optional(
    list(
      "Names of containers. Pods without one of them do not match, and only these are checkpointed. Default: all of the pod.",
      labelName("Name of a container."),
      { minItems: 1, maxItems: CONTAINERS, merge: "set" },
    ),
  ),
  minRunningSeconds: optional(
    integer("Seconds for which all containers must have run, without a restart.", 1, MONTH_SECONDS),
  ),
  restarts: optional(restarts),
  expression: optional(
    text(
      "CEL expression over the variable pod, such as pod.spec.containers.exists(c, c.image.startsWith('registry.example.com/')). Pods for which it is true match.",
      MAX_EXPRESSION,
    ),
  ),
  phases: optional(
    list("Phases of pods. Default: Running.", oneOf("Phase.", POD_PHASES), {
      minItems: 1,
      maxItems: POD_PHASES.length,
      merge: "set",
    }),
  ),
};

const namespaces = {
  namespaces: optional(
    list("Names of namespaces.", labelName("Name."), { minItems: 1, maxItems: MAX_LIST, merge: "set" }),
  ),
  namespaceSelector: optional(selector("Labels of namespaces. {} selects all namespaces.")),
};

/** Filter of a CheckpointPolicy: pods of its own namespace. */
export const filter = object("Pods that match. All conditions must hold.", fields);

/** Filter of a ClusterCheckpointPolicy. Without a namespace it would match pods by accident. */
export const clusterFilter = object(
  "Pods that match. All conditions must hold.",
  { ...fields, ...namespaces },
  [
    {
      rule: "has(self.namespaces) || has(self.namespaceSelector)",
      message: "set namespaces or namespaceSelector; namespaceSelector: {} selects all namespaces",
      reason: "FieldValueRequired",
    },
  ],
);

export type PodFilter = Infer<typeof clusterFilter>;
export type OwnerFilter = Infer<typeof owner>;
