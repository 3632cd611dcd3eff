import { ENGINES } from "./names";
import { checkpointStatusSchema } from "./status-schema";
import { CONTAINERS, containerName, podName, text, uid } from "./texts";

/** Fields of spec that never change. Optional ones neither appear nor disappear. */
const IMMUTABLE = ["podRef", "containers", "engine", "location", "leaveRunning"];

const unchanged = (field: string) =>
  `has(self.${field}) == has(oldSelf.${field}) && (!has(self.${field}) || self.${field} == oldSelf.${field})`;

const podRef = {
  type: "object",
  description: "The pod, in the namespace of this object.",
  required: ["name"],
  properties: {
    name: podName("Name of the pod."),
    uid: uid(
      "UID of the pod. A pod of the name with another UID is not taken. Default: the UID at the first look.",
    ),
  },
};

const spec = {
  type: "object",
  description: "What is to be checkpointed. Immutable, except pinned and deletionPolicy.",
  required: ["podRef"],
  properties: {
    podRef,
    containers: {
      type: "array",
      description: "Names of containers. Default: all of the pod, without its init containers.",
      minItems: 1,
      maxItems: CONTAINERS,
      items: containerName("Name of a container."),
      "x-kubernetes-list-type": "set",
    },
    engine: text("What takes the checkpoint. Default: the controller's.", 63, { enum: [...ENGINES] }),
    location: text(
      "Path of the engine; for cedana an absolute path on the node, to which -<container> is added if there are several. Default: the engine's remote storage.",
      1024,
      { pattern: "^/[A-Za-z0-9._/-]*[A-Za-z0-9._-]$" },
    ),
    leaveRunning: {
      type: "boolean",
      default: true,
      description: "Whether the containers run on after the checkpoint.",
    },
    pinned: {
      type: "boolean",
      default: false,
      description: "Whether retention leaves this checkpoint alone.",
    },
    deletionPolicy: {
      type: "string",
      description:
        "What becomes of the data when this object is deleted. Delete has no effect with an engine that cannot delete, such as cedana.",
      enum: ["Retain", "Delete"],
      default: "Retain",
    },
  },
  "x-kubernetes-validations": [
    ...IMMUTABLE.map((field) => ({
      rule: unchanged(field),
      message: `${field} is immutable: create another Checkpoint instead`,
    })),
    {
      rule: "!has(self.location) || !self.location.matches('(^|/)[.][.](/|$)')",
      message: "location must not contain ..",
    },
  ],
};

/** OpenAPI schema of kind Checkpoint, version v1alpha1, as a CustomResourceDefinition carries it. */
export const checkpointSchema = {
  type: "object",
  description: "A checkpoint of the containers of one pod: what is wanted, and what has come of it.",
  required: ["spec"],
  properties: {
    apiVersion: { type: "string" },
    kind: { type: "string" },
    metadata: { type: "object" },
    spec,
    status: checkpointStatusSchema,
  },
};
