import { createHash } from "node:crypto";
import { CONTAINERS, containerFields } from "./checkpoint";
import type { CheckpointConditionType, Condition } from "./conditions";
import { agentStatus, podRef } from "./node-request";
import { AGE_COLUMN, AUTOMATION_GROUP, defineKind, READY_COLUMNS, SIZE_COLUMN } from "./kind";
import {
  count,
  DAY_SECONDS,
  flag,
  integer,
  labelName,
  list,
  object,
  oneOf,
  optional,
  text,
  time,
  uid,
  type Infer,
} from "./schema";

/** How long an agent keeps a checkpoint of running processes beyond its timeout, and retries the push. */
export const KEEP_SECONDS = DAY_SECONDS;

const DIGESTED = "^[^\\s@]+@sha256:[0-9a-f]{64}$";

/** What a checkpoint does with established TCP connections. */
export const TCP_MODES = ["close", "loopback", "refuse"] as const;
export type TcpMode = (typeof TCP_MODES)[number];

/** Whether memory is dumped before the freeze, while the containers run. */
export const PRE_DUMP_MODES = ["auto", "off"] as const;
export type PreDumpMode = (typeof PRE_DUMP_MODES)[number];

const options = object("How the containers are checkpointed.", {
  tcp: optional(
    oneOf(
      "Established TCP connections. close: the restored processes find them closed. loopback: those over loopback are kept, others are reset after the restore. refuse: the checkpoint fails if there is one. Default: close.",
      TCP_MODES,
    ),
  ),
  preDump: optional(
    oneOf(
      "Dumps before the freeze, of which the dump in the freeze writes only what changed since. auto: where that shortens the standstill and the kernel tracks memory. off: never. Default: auto.",
      PRE_DUMP_MODES,
    ),
  ),
  leaveRunning: optional(flag("Whether the containers keep running.", true)),
  freezeSeconds: optional(integer("Maximum time in which the containers are frozen. Default: 60.", 1, 3600)),
});

const spec = object(
  "The requested checkpoint. Immutable.",
  {
    nodeName: text("Node of the pod. Its agent takes the checkpoint.", 253),
    podRef: podRef("The pod. If it was replaced by one with another UID, the checkpoint fails."),
    containerNames: list(
      `Names of up to ${CONTAINERS} containers that are checkpointed at one moment. Empty: all of the pod that run.`,
      labelName("Name of a container."),
      { maxItems: CONTAINERS, merge: "set" },
    ),
    options: optional(options),
    baseImages: optional(
      list(
        "Images of the containers by digest, as far as they are known.",
        object(undefined, {
          name: text("Name of the container.", 63),
          image: text("Image: <registry>/<repository>@sha256:<digest>.", 4096, { pattern: DIGESTED }),
        }),
        { maxItems: CONTAINERS, merge: { key: "name" } },
      ),
    ),
    image: text("Image to push: <registry>/<repository>:<tag>.", 512, { pattern: "^[^\\s@]+:[^\\s@/]+$" }),
    cluster: optional(
      uid(
        "UID of the namespace kube-system, which identifies the cluster. The artifact has it as an annotation. Only if the install deletes artifacts.",
      ),
    ),
    timeoutSeconds: integer(
      "Time limit of the whole request, from the agent's first step. The push of a checkpoint that was taken may need a day longer; with leaveRunning false it has no limit.",
      1,
      DAY_SECONDS,
    ),
  },
  [{ rule: "self == oldSelf", message: "spec is immutable: create another NodeCheckpoint instead" }],
);

const container = object(undefined, {
  name: text("Name of the container.", 63),
  baseImage: containerFields.baseImage,
  notRestored: containerFields.notRestored,
});

const preDump = object("What was dumped before the freeze, while the containers ran.", {
  passes: count("Number of dumps before the freeze. 0: all memory was dumped in the freeze."),
  frozenMilliseconds: optional(count("Time for which these dumps stopped the processes.")),
  reason: optional(text("Why there was none, or not of all large containers.", 64)),
  message: optional(text("Details of the reason.", 4096)),
});

const status = object("Observed state, written by the node's agent.", {
  ...agentStatus<NodeCheckpointReason>(),
  image: optional(
    text(
      "The pushed image by digest: <registry>/<repository>@sha256:<digest>, in the repository of the request.",
      1024,
      {
        pattern: DIGESTED,
      },
    ),
  ),
  digest: optional(text("Digest of the image.", 128, { pattern: "^sha256:[0-9a-f]{64}$" })),
  pushFailures: optional(count("Number of failed attempts to push the image, since the agent started.")),
  checkpointedTime: optional(time("When the checkpoint was taken.")),
  sizeBytes: optional(count("Size of the checkpoint in the registry, in bytes.")),
  architecture: optional(text("CPU architecture in OCI's terms.", 63)),
  frozenMilliseconds: optional(
    count(
      "Time from the freeze of the first container to the thaw of the last one, and the time of preDump.",
    ),
  ),
  preDump: optional(preDump),
  containers: optional(
    list("State of each container.", container, {
      maxItems: CONTAINERS,
      merge: { key: "name" },
    }),
  ),
});

/** Kind NodeCheckpoint: the controller's request to the agent of a node to checkpoint containers of one pod. */
export const NODE_CHECKPOINT = defineKind({
  group: AUTOMATION_GROUP,
  version: "v1alpha1",
  kind: "NodeCheckpoint",
  plural: "nodecheckpoints",
  scope: "Namespaced",
  description:
    "A request to the agent of a node to checkpoint containers of one pod. The controller creates and deletes it.",
  spec,
  status,
  rules: [
    {
      rule: "!self.?status.?image.hasValue() || self.status.image.startsWith(self.spec.image.substring(0, self.spec.image.lastIndexOf(':')) + '@sha256:')",
      message: "status.image must be in the repository of spec.image",
    },
    {
      rule: "!self.?status.?image.hasValue() || !self.?status.?digest.hasValue() || self.status.image.endsWith('@' + self.status.digest)",
      message: "status.image must have the digest of status.digest",
    },
  ],
  columns: [
    { name: "Node", type: "string", jsonPath: ".spec.nodeName" },
    { name: "Namespace", type: "string", jsonPath: ".spec.podRef.namespace" },
    { name: "Pod", type: "string", jsonPath: ".spec.podRef.name" },
    ...READY_COLUMNS,
    SIZE_COLUMN,
    { name: "Image", type: "string", jsonPath: ".status.image", priority: 1 },
    AGE_COLUMN,
  ],
});

/**
 * Reason of a NodeCheckpoint's conditions.
 * - `Pending`: waits for other checkpoints of the node
 * - `QuotaExceeded`: the checkpoints would exceed their quota on the node's disk
 * - `RegistryFailed`: the checkpoint was taken, but the image could not be pushed in time
 * - `CheckpointNotPossible`: a container has state that cannot be saved
 */
export type NodeCheckpointReason =
  | "Pending"
  | "CheckpointInProgress"
  | "Pushing"
  | "CheckpointCompleted"
  | "CheckpointFailed"
  | "QuotaExceeded"
  | "RegistryFailed"
  | "CheckpointNotPossible"
  | "ContainerNotFound"
  | "SourcePodReplaced";

export type NodeCheckpointCondition = Condition<CheckpointConditionType, NodeCheckpointReason>;
export type NodeCheckpointSpec = Infer<typeof spec>;
export type NodeCheckpointStatus = Infer<typeof status>;
export type NodeCheckpointOptions = Infer<typeof options>;

/** Label with the node's name. The agent of the node selects its NodeCheckpoints and NodeRestores by it. */
export const NODE_LABEL = `${AUTOMATION_GROUP}/node`;

/** Maximum length of a label's value. */
const MAX_LABEL = 63;

/** Returns the value of the node label: the node's name, or the start of its SHA-256 if the name is too long. */
export function nodeLabelValue(nodeName: string): string {
  if (nodeName.length <= MAX_LABEL) return nodeName;
  return createHash("sha256").update(nodeName).digest("hex").slice(0, MAX_LABEL);
}
