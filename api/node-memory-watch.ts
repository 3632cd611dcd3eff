import { CONTAINERS } from "./checkpoint";
import { AGE_COLUMN, AUTOMATION_GROUP, defineKind } from "./kind";
import {
  count,
  integer,
  labelName,
  list,
  object,
  optional,
  text,
  time,
  uid,
  flag,
  type Infer,
} from "./schema";

/** Maximum number of watches of a node: 250 pods, as many as a kubelet runs, by four policies each. */
export const MAX_WATCHES = 1000;
const HOUR_SECONDS = 3600;
const ID = "^[0-9a-f]{16}$";

const threshold = object(undefined, {
  containers: optional(
    list("Names of containers that count together. Default: all of the pod.", labelName("Name."), {
      maxItems: CONTAINERS,
      merge: "set",
    }),
  ),
  fireBytes: count("Memory from which on the threshold is reached, in bytes."),
  rearmBytes: count("Memory below which it is no longer reached, in bytes. Less than fireBytes."),
});

const watch = object(undefined, {
  id: text("Identifies pod, policy and thresholds.", 16, { pattern: ID }),
  podUID: uid("UID of the pod."),
  policyUID: uid("UID of the policy."),
  forSeconds: integer("Seconds for which a threshold must be reached.", 0, HOUR_SECONDS),
  thresholds: list("Thresholds. One of them suffices.", threshold, {
    minItems: 1,
    maxItems: CONTAINERS + 1,
    merge: "atomic",
  }),
});

const spec = object("What is watched.", {
  nodeName: text("Node of the pods.", 253),
  watches: list("Watched pods, once for each policy.", watch, {
    maxItems: MAX_WATCHES,
    merge: { key: "id" },
  }),
});

const crossing = object(undefined, {
  id: text("The watch.", 16, { pattern: ID }),
  time: time("When a threshold had been reached for the time."),
  rearmed: flag("Whether the memory has fallen below all thresholds since."),
});

const status = object(
  "Observed state, written by the node's agent, or by the controller with a metrics server.",
  {
    observedGeneration: optional(count("Generation of the object that the status describes.")),
    crossings: optional(
      list("The last crossing of each watch that had one.", crossing, {
        maxItems: MAX_WATCHES,
        merge: { key: "id" },
      }),
    ),
    message: optional(text("Why there are no readings.", 1024)),
  },
);

/** Kind NodeMemoryWatch: which pods of a node are watched for policies with the trigger `memory`. */
export const NODE_MEMORY_WATCH = defineKind({
  group: AUTOMATION_GROUP,
  version: "v1alpha1",
  kind: "NodeMemoryWatch",
  plural: "nodememorywatches",
  scope: "Namespaced",
  description:
    "The pods of a node whose memory policies watch, and when it crossed their thresholds. The controller creates and deletes it.",
  spec,
  status,
  columns: [
    { name: "Node", type: "string", jsonPath: ".spec.nodeName" },
    { name: "Message", type: "string", jsonPath: ".status.message" },
    AGE_COLUMN,
  ],
});

export type NodeMemoryWatchSpec = Infer<typeof spec>;
export type NodeMemoryWatchStatus = Infer<typeof status>;
export type MemoryWatch = Infer<typeof watch>;
export type MemoryThreshold = Infer<typeof threshold>;
export type MemoryCrossing = Infer<typeof crossing>;
