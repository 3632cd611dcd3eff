import { conditions } from "./conditions";
import { AGE_COLUMN, defineKind } from "./kind";
import { flag, object, oneOf, optional, string, text, time, type Infer } from "./schema";

const spec = object(
  "The requested operation.",
  {
    containerName: optional(text("Container in the pod.", 253)),
    sandboxName: optional(text("Pod of the container.", 253)),
    method: optional(
      oneOf("The requested operation, or its state.", ["Checkpoint", "Restore", "Pending", "Failed", "Done"]),
    ),
  },
  [
    {
      rule: "!has(self.method) || !(self.method in ['Checkpoint', 'Restore']) || (has(self.containerName) && has(self.sandboxName))",
      message: "containerName and sandboxName are required to checkpoint or restore",
      reason: "FieldValueRequired",
    },
  ],
);

const status = object("Current state of the operation.", {
  bundlePath: optional(string("Path of the container's bundle on its node.")),
  checkpointDone: optional(flag("Whether the checkpoint is complete.")),
  restoreDone: optional(flag("Whether the container was restored.")),
  lastCheckpointedTime: optional(time("When the last checkpoint was completed.")),
  conditions: optional(conditions()),
});

/**
 * Kind Cedana, as Cedana published it until 2024; hence `method` also contains the state. Conditions are added, because
 * the published kind has no field for the reason of a failure.
 */
export const CEDANA = defineKind({
  group: "core.cedana.ai",
  version: "v1",
  kind: "Cedana",
  plural: "cedanas",
  scope: "Namespaced",
  description: "One checkpoint or restore of a container.",
  spec: optional(spec),
  status,
  columns: [
    { name: "Method", type: "string", jsonPath: ".spec.method" },
    { name: "Sandbox", type: "string", jsonPath: ".spec.sandboxName" },
    { name: "Container", type: "string", jsonPath: ".spec.containerName" },
    { name: "Checkpointed", type: "boolean", jsonPath: ".status.checkpointDone" },
    { name: "Restored", type: "boolean", jsonPath: ".status.restoreDone" },
    { name: "Last Checkpoint", type: "date", jsonPath: ".status.lastCheckpointedTime" },
    AGE_COLUMN,
  ],
});

export type CedanaSpec = Infer<typeof spec>;
export type CedanaMethod = NonNullable<CedanaSpec["method"]>;
export type CedanaStatus = Infer<typeof status>;
