import { conditionsSchema } from "../../../api/checkpoint";

const text = (description: string, more: object = {}) => ({ type: "string", description, ...more });

/** Names of pods have at most 253 characters. */
const name = (description: string) => text(description, { minLength: 1, maxLength: 253 });

/**
 * OpenAPI schema of `Cedana` v1. `method` carries state too (Pending, Failed, Done): that is how v1 was published.
 * Conditions are added: there was no place to say why something failed.
 */
export const cedanaSchema = {
  type: "object",
  description: "One checkpoint or restore of a container.",
  properties: {
    apiVersion: { type: "string" },
    kind: { type: "string" },
    metadata: { type: "object" },
    spec: {
      type: "object",
      description: "What is to be done.",
      properties: {
        containerName: name("Container within the pod."),
        sandboxName: name("Pod sandbox of the container."),
        method: text("What is to be done, or what has come of it.", {
          enum: ["Checkpoint", "Restore", "Pending", "Failed", "Done"],
        }),
      },
      "x-kubernetes-validations": [
        {
          rule: "!has(self.method) || !(self.method in ['Checkpoint', 'Restore']) || (has(self.containerName) && has(self.sandboxName))",
          message: "containerName and sandboxName are required to checkpoint or restore",
          reason: "FieldValueRequired",
        },
      ],
    },
    status: {
      type: "object",
      description: "What has been done.",
      properties: {
        bundlePath: text("Bundle of the container on its node."),
        checkpointDone: { type: "boolean", description: "Whether the checkpoint is complete." },
        restoreDone: { type: "boolean", description: "Whether the container runs again." },
        lastCheckpointedTime: text("When the last checkpoint was complete.", { format: "date-time" }),
        conditions: conditionsSchema,
      },
    },
  },
};
