import { CONTAINERS, count, text, time, uid } from "./texts";

/** A condition as metav1.Condition defines it. */
const condition = {
  type: "object",
  required: ["type", "status", "reason", "message", "lastTransitionTime"],
  properties: {
    type: text("Ready, Progressing or Failed.", 316),
    status: { type: "string", enum: ["True", "False", "Unknown"], description: "Whether it is so." },
    reason: text("Why, in one word.", 1024, { pattern: "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$" }),
    message: {
      type: "string",
      maxLength: 32768,
      description: "Why, for people; what the engine said, as said.",
    },
    observedGeneration: count("Generation of the object for which this was found."),
    lastTransitionTime: time("When status last changed."),
  },
};

/** Conditions, one of a type. */
export const conditionsSchema = {
  type: "array",
  description: "What has come of it.",
  maxItems: 16,
  items: condition,
  "x-kubernetes-list-type": "map",
  "x-kubernetes-list-map-keys": ["type"],
};

/** Shared by Checkpoint and NodeCheckpoint. */
export const frozenSchema = count(
  "Time in which CRIU kept the processes frozen, as its statistics say. The container stands still longer: the container runtime pauses it before the dump and resumes it after it has stored the images.",
);

/** What a restore does not bring back. */
export const notRestoredSchema = {
  type: "array",
  description: "What a restored container does not have as it was.",
  maxItems: 256,
  items: {
    type: "object",
    required: ["code", "message"],
    properties: {
      code: text("In one word, for programs.", 63),
      message: text("In words, for people.", 4096),
    },
  },
  "x-kubernetes-list-type": "atomic",
};

const container = {
  type: "object",
  required: ["name"],
  properties: {
    name: text("Name of the container.", 63),
    image: text("Image of the container.", 4096),
    checkpointID: text("The engine's name of the checkpoint.", 253),
    location: text("Where the engine put the checkpoint. Left out for its remote storage.", 4096),
    sizeBytes: count("Size in bytes, if the engine says it."),
    architecture: text("Architecture of the processes, in OCI's words, if the engine says it.", 63),
    baseImage: text("Image that a restore needs beside the checkpoint, if the engine says it.", 4096),
    frozenMilliseconds: frozenSchema,
    notRestored: notRestoredSchema,
    startTime: time("When the engine was asked."),
    completionTime: time("When the engine had taken the checkpoint."),
  },
};

const restore = {
  type: "object",
  description: "The pod that goes on from this checkpoint. Take it away to let another one.",
  required: ["state", "time"],
  properties: {
    state: {
      type: "string",
      enum: ["Claimed", "Restored", "Failed", "Unknown"],
      description: "Claimed, Restored, Failed, or Unknown if the pod went unseen.",
    },
    claim: text("Which admission of a pod it was given to.", 128),
    podName: text("Name of the pod.", 253),
    podUID: uid("UID of the pod, once it was seen."),
    time: time("When state was last written."),
    message: text("Why, for people.", 4096),
  },
};

/** OpenAPI schema of the status of kind Checkpoint. */
export const checkpointStatusSchema = {
  type: "object",
  description: "What has come of it.",
  properties: {
    observedGeneration: count("Generation of the object that was looked at."),
    conditions: conditionsSchema,
    engine: text("The engine that is asked.", 63),
    podUID: uid("UID of the pod."),
    nodeName: text("Node of the pod.", 253),
    owner: {
      type: "object",
      description: "The object that made the pod.",
      required: ["apiVersion", "kind", "name", "uid"],
      properties: {
        apiVersion: text("Its group and version.", 317),
        kind: text("Its kind.", 63),
        name: text("Its name.", 253),
        uid: uid("Its UID."),
      },
    },
    podTemplateHash: text("Hash of the pod template by which the owner made the pod.", 63),
    containers: {
      type: "array",
      description: "What is known of each container.",
      maxItems: CONTAINERS,
      items: container,
      "x-kubernetes-list-type": "map",
      "x-kubernetes-list-map-keys": ["name"],
    },
    startTime: time("When the engine was first asked."),
    completionTime: time("When the last container was done."),
    sizeBytes: count("Size of all containers in bytes, if the engine says it."),
    durationMilliseconds: count("From startTime to completionTime."),
    restore,
  },
};
