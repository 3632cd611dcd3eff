import { conditionsSchema, frozenSchema, notRestoredSchema } from "./status-schema";
import { containerName, count, podName, text, time, uid } from "./texts";

const spec = {
  type: "object",
  description: "What the agent of the node is to do. Immutable.",
  required: ["nodeName", "podRef", "containerName", "image", "timeoutSeconds"],
  properties: {
    nodeName: text("Node of the pod, whose agent acts.", 253),
    podRef: {
      type: "object",
      description: "The pod. One of the name with another UID is not taken.",
      required: ["namespace", "name", "uid"],
      properties: {
        namespace: containerName("Namespace of the pod."),
        name: podName("Name of the pod."),
        uid: uid("UID of the pod."),
      },
    },
    containerName: containerName("Name of the container."),
    image: text("Where the image is pushed: registry/repository:tag.", 512, {
      pattern: "^[^\\s@]+:[^\\s@/]+$",
    }),
    timeoutSeconds: {
      type: "integer",
      format: "int32",
      minimum: 1,
      maximum: 86_400,
      description: "How long all of it may take, from the agent's first step on.",
    },
  },
  "x-kubernetes-validations": [
    { rule: "self == oldSelf", message: "spec is immutable: create another NodeCheckpoint instead" },
  ],
};

const status = {
  type: "object",
  description: "What has come of it. Written by the agent of the node.",
  properties: {
    observedGeneration: count("Generation of the object that was looked at."),
    conditions: conditionsSchema,
    image: text("The image by its digest.", 1024),
    digest: text("Digest of the image.", 128),
    sizeBytes: count("Size of the checkpoint in bytes."),
    architecture: text("Architecture of the processes, in OCI's words.", 63),
    baseImage: text("Image that a restore needs, by its digest where that is known.", 4096),
    checkpointedTime: time("When the checkpoint was taken."),
    frozenMilliseconds: frozenSchema,
    archive: text("Path of the archive on the node, while it is there.", 4096),
    notRestored: notRestoredSchema,
    startTime: time("When the agent began."),
    completionTime: time("When it came to its end."),
  },
};

/** OpenAPI schema of kind NodeCheckpoint, version v1alpha1, as a CustomResourceDefinition carries it. */
export const nodeCheckpointSchema = {
  type: "object",
  description:
    "A checkpoint of one container that the agent of its node is to take. Made and deleted by the controller.",
  required: ["spec"],
  properties: {
    apiVersion: { type: "string" },
    kind: { type: "string" },
    metadata: { type: "object" },
    spec,
    status,
  },
};
