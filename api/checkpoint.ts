import {
  conditions,
  type CheckpointConditionType,
  type Condition,
  type DeletionConditionType,
  type ToolConditionType,
} from "./conditions";
import {
  AGE_COLUMN,
  AUTOMATION_GROUP,
  defineKind,
  ENGINES,
  READY_COLUMNS,
  SIZE_COLUMN,
  type EngineName,
} from "./kind";
import { lastVerified } from "./policy-verify";
import {
  count,
  flag,
  immutable,
  labelName,
  list,
  object,
  oneOf,
  optional,
  podName,
  text,
  time,
  uid,
  type Infer,
} from "./schema";

/** What happens to the artifact of a Checkpoint that is deleted. */
export const DELETION_POLICIES = ["Retain", "Delete"] as const;
export type DeletionPolicy = (typeof DELETION_POLICIES)[number];

/** The field `deletionPolicy` of a Checkpoint, and of actions that create one. */
export const deletionPolicy = oneOf(
  "What happens to the artifact in the registry when the Checkpoint is deleted. Retain: it stays. Delete: the controller deletes it, if the install permits that (install.checkpoints.deleteArtifacts) and no other Checkpoint names it. Only with the engine criu. Default: Retain.",
  DELETION_POLICIES,
);

/** Finalizer by which the controller deletes the artifact before the Checkpoint is removed. */
export const ARTIFACT_FINALIZER = `${AUTOMATION_GROUP}/artifact`;

/** Maximum number of containers. It limits the cost of the validation rules. */
export const CONTAINERS = 64;

const podRef = object("The pod, in the namespace of this object.", {
  name: podName("Name of the pod."),
  uid: optional(
    uid(
      "UID of the pod. If the pod was replaced by one with another UID, the checkpoint fails. Default: the UID when the Checkpoint is first reconciled.",
    ),
  ),
});

const spec = object(
  "The requested checkpoint. Immutable, except deletionPolicy and pinned.",
  {
    podRef,
    containers: optional(
      list(
        `Names of 1 to ${CONTAINERS} containers, without duplicates. Default: all of the pod, except its init containers.`,
        labelName("Name of a container."),
        { minItems: 1, maxItems: CONTAINERS, merge: "set" },
      ),
    ),
    engine: optional(
      text<EngineName>("Engine that takes the checkpoint. Default: the controller's.", 63, { enum: ENGINES }),
    ),
    location: optional(
      text(
        "Absolute path on the node to write the checkpoint to, without .., in a directory that engine.checkpoints.locations allows. With several containers, each one gets <location>-<container>. Only with the engine cedana. Default: the engine's remote storage.",
        1024,
        { pattern: "^/[A-Za-z0-9._/-]*[A-Za-z0-9._-]$" },
      ),
    ),
    leaveRunning: optional(flag("Whether the containers keep running.", true)),
    deletionPolicy: optional(deletionPolicy),
    pinned: optional(
      flag(
        "Whether no policy deletes the Checkpoint. It can be changed at any time. Users can delete it. Default: false.",
      ),
    ),
  },
  [
    ...immutable("Checkpoint", ["podRef", "containers", "engine", "location", "leaveRunning"]),
    {
      rule: "!has(self.location) || !self.location.matches('(^|/)[.][.](/|$)')",
      message: "location must not contain ..",
    },
  ],
);

const notRestored = list(
  "State of the container that a restore does not bring back.",
  object(undefined, {
    code: text("Identifier for programs, such as empty-dir or volume.", 63),
    message: text("Explanation for people.", 4096),
  }),
  { maxItems: 256, merge: "atomic" },
);

/** Properties of a container's checkpoint, as far as the engine reports them. */
export const containerFields = {
  architecture: optional(text("CPU architecture in OCI's terms, if the engine reports it.", 63)),
  baseImage: optional(
    text(
      "Image that a restore needs besides the checkpoint, by digest if it is known, if the engine reports it.",
      4096,
    ),
  ),
  notRestored: optional(notRestored),
};

const container = object(undefined, {
  name: text("Name of the container.", 63),
  image: optional(text("Image of the container.", 4096)),
  restartCount: optional(count("Restarts of the container when the checkpoint began.")),
  checkpointID: optional(text("The engine's identifier of the checkpoint.", 253)),
  location: optional(
    text("Where the engine stored the checkpoint. Missing if it is in the engine's remote storage.", 4096),
  ),
  sizeBytes: optional(count("Size of the checkpoint in bytes, if the engine reports it.")),
  ...containerFields,
  startTime: optional(time("When the request to the engine was recorded, before it was sent.")),
  completionTime: optional(time("When the engine's result was recorded.")),
});

const RESTORE_STATES = ["Claimed", "Restored", "Failed", "Unknown", "PodMissing"] as const;

const attempts = object(
  "Admissions in a row after which no pod existed. After some of them, a pod is admitted without the checkpoint.",
  {
    owner: text("UID of the owner of the pods, or the name of a pod without one.", 253),
    count: count("Number of admissions."),
    firstTime: time("Time of the first one."),
    freshAt: optional(
      count(
        "Number of admissions, of all Checkpoints of the owner, when a pod was last admitted without one.",
      ),
    ),
  },
);

const restore = object("The pod that is restored from this checkpoint. Remove it to allow another one.", {
  state: oneOf(
    "Claimed: reserved for a pod. Restored: a pod resumed from it. Failed: the restore failed; it is not retried. Unknown: the pod was deleted before its outcome was known. PodMissing: no pod was created for its claim; another pod can claim it.",
    RESTORE_STATES,
  ),
  claim: optional(
    text("Admission of the pod that has the claim. Missing if pods share the checkpoint.", 128),
  ),
  podName: optional(text("Name of the pod.", 253)),
  podUID: optional(uid("UID of the pod, once the controller has seen it.")),
  attempts: optional(attempts),
  time: time("Time of the last change of state."),
  message: optional(text("Explanation for people.", 4096)),
});

const owner = object("The controller that owns the pod.", {
  apiVersion: text("apiVersion of the owner.", 317),
  kind: text("Kind of the owner.", 63),
  name: text("Name of the owner.", 253),
  uid: uid("UID of the owner."),
});

/** What is known about the checkpoint that was taken. */
const resultFields = {
  engine: optional(text("Engine that the request is sent to.", 63)),
  podUID: optional(uid("UID of the pod.")),
  nodeName: optional(text("Node of the pod.", 253)),
  owner: optional(owner),
  podTemplateHash: optional(text("Hash of the pod template from which the owner created the pod.", 63)),
  containers: optional(
    list("State of each container's checkpoint.", container, {
      maxItems: CONTAINERS,
      merge: { key: "name" },
    }),
  ),
  startTime: optional(time("When the first request to the engine was recorded.")),
  completionTime: optional(time("When the outcome was recorded.")),
  sizeBytes: optional(count("Total size of all containers in bytes, if the engine reports it.")),
  frozenMilliseconds: optional(
    count(
      "Time from the freeze of the first container to the thaw of the last one, if the engine checkpoints all containers at one moment.",
    ),
  ),
  durationMilliseconds: optional(count("Time from startTime to completionTime.")),
};

const status = object("Current state of the checkpoint.", {
  observedGeneration: optional(count("Generation of the object that the status describes.")),
  conditions:
    optional(
      conditions<CheckpointConditionType | ToolConditionType | DeletionConditionType, CheckpointReason>(),
    ),
  ...resultFields,
  restore: optional(restore),
  lastVerified: optional(lastVerified),
});

const record = object(
  "What was taken, written by the controller. Backups keep it, but drop the status: an object with the record of another UID gets its status from it, and no checkpoint is taken. Only the controller, and users with the verb import on checkpoints, can set it.",
  {
    checkpointUID: uid("UID of the Checkpoint whose checkpoint was taken. The artifact has it too."),
    result: optional(
      object("The status of the completed checkpoint. Missing if it failed, or did not end.", resultFields),
    ),
  },
);

/** Verb on `checkpoints.automation.cedana.ai` that permits to create Checkpoints with a record, as backup tools do. */
export const IMPORT_VERB = "import";

/** Kind Checkpoint: a checkpoint of the containers of one pod. */
export const CHECKPOINT = defineKind({
  group: AUTOMATION_GROUP,
  version: "v1alpha1",
  kind: "Checkpoint",
  plural: "checkpoints",
  shortNames: ["ckpt"],
  scope: "Namespaced",
  description: "A checkpoint of the containers of one pod.",
  spec,
  record,
  status,
  selectable: [".spec.podRef.name", ".status.owner.name"],
  columns: [
    { name: "Pod", type: "string", jsonPath: ".spec.podRef.name" },
    { name: "Engine", type: "string", jsonPath: ".status.engine" },
    ...READY_COLUMNS,
    SIZE_COLUMN,
    {
      name: "Duration",
      type: "integer",
      format: "int64",
      jsonPath: ".status.durationMilliseconds",
      description: "In milliseconds.",
    },
    { name: "Restore", type: "string", jsonPath: ".status.restore.state" },
    { name: "Verified", type: "string", jsonPath: ".status.lastVerified.outcome", priority: 1 },
    { name: "Node", type: "string", jsonPath: ".status.nodeName", priority: 1 },
    { name: "Pinned", type: "boolean", jsonPath: ".spec.pinned", priority: 1 },
    AGE_COLUMN,
  ],
});

/**
 * Reason of a Checkpoint's conditions. The first five are those of KEP-5823.
 * - `DeadlineExceeded`: it waited for too long, and no engine received a request
 * - `OutcomeUnknown`: the request was sent and its response was lost; it is not retried
 * - `AgentNotAnswering`, `QuotaExceeded`, `RegistryFailed`: only with an engine that has agents on the nodes
 * - `CheckpointNotPossible`: a container has state that the engine cannot save; only with the engine criu
 * - `ImageNotFound`: it was completed, and a restore or the sweep of the repository found that the registry no longer has its artifact
 * - `ArtifactInUse`, `ArtifactNotDeleted`: why a Checkpoint that is deleted keeps its artifact until now; only of `DeletionBlocked`
 * - `CheckpointLost`: the object was created from a backup, and its record has no result
 */
export type CheckpointReason =
  | "Pending"
  | "CheckpointInProgress"
  | "CheckpointCompleted"
  | "CheckpointFailed"
  | "SourcePodReplaced"
  | "SourcePodNotFound"
  | "SourcePodEnded"
  | "ContainerNotFound"
  | "EngineNotFound"
  | "LocationNotAllowed"
  | "DeadlineExceeded"
  | "AgentNotAnswering"
  | "QuotaExceeded"
  | "RegistryFailed"
  | "CheckpointNotPossible"
  | "CheckpointLost"
  | "ImageNotFound"
  | "ArtifactInUse"
  | "ArtifactNotDeleted"
  | "OutcomeUnknown";

/** Reason of a Checkpoint that has ended. */
export type CheckpointEndReason = Exclude<
  CheckpointReason,
  "Pending" | "CheckpointInProgress" | "ImageNotFound" | "ArtifactInUse" | "ArtifactNotDeleted"
>;

export type CheckpointCondition = Condition<
  CheckpointConditionType | ToolConditionType | DeletionConditionType,
  CheckpointReason
>;
export type CheckpointSpec = Infer<typeof spec>;
export type CheckpointStatus = Infer<typeof status>;
export type CheckpointRecord = Infer<typeof record>;
export type ContainerCheckpoint = Infer<typeof container>;
export type NotRestoredItem = Infer<typeof notRestored>[number];
export type OwnerIdentity = Infer<typeof owner>;
export type RestoreStatus = Infer<typeof restore>;
export type RestoreState = RestoreStatus["state"];
export type RestoreAttempts = Infer<typeof attempts>;
