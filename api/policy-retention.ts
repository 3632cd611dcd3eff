import { MAX_LIST } from "./policy-filter";
import { count, flag, integer, labelName, list, object, oneOf, optional, text, type Infer } from "./schema";

/** Shortest and longest age: a minute, and ten years. */
const MIN_AGE_SECONDS = 60;
const MAX_AGE_SECONDS = 315_360_000;
/** Maximum number of Checkpoints in `status.retention.next`. */
export const MAX_NEXT = 10;

/** Limits of `deleteCheckpoints`. One is enough. */
const limits = {
  olderThanSeconds: optional(
    integer(
      "Deletes Checkpoints that ended longer ago than this, in seconds.",
      MIN_AGE_SECONDS,
      MAX_AGE_SECONDS,
    ),
  ),
  keepLast: optional(
    integer(
      "Keeps the last completed Checkpoints of each workload, this many, whatever the other limits are. As the only limit, it deletes all others.",
      1,
      10_000,
    ),
  ),
  maxTotalBytes: optional({
    ...count(
      "Deletes the oldest Checkpoints while all that the policy selects are larger together, in bytes, by their status.sizeBytes.",
    ),
    minimum: 1,
  }),
};

export const deleteCheckpoints = object(
  "Deletes Checkpoints that exceed a limit, when the trigger is due. It never deletes the last good one of a workload, the last one that a restore has proven, those that a restore uses or claims, pinned ones, and those that have not ended.",
  {
    ...limits,
    policies: optional(
      list("Names of policies whose Checkpoints are deleted. Default: all policies.", labelName("Name."), {
        minItems: 1,
        maxItems: MAX_LIST,
        merge: "set",
      }),
    ),
    createdByUsers: optional(
      flag("Whether Checkpoints that no policy created are deleted too: of users and other clients.", false),
    ),
    dryRun: optional(
      flag(
        "Whether nothing is deleted. status.retention has what would be, and why the others are kept.",
        false,
      ),
    ),
  },
  [
    {
      rule: `[${Object.keys(limits)
        .map((name) => `has(self.${name})`)
        .join(", ")}].exists(isSet, isSet)`,
      message: `set a limit: ${Object.keys(limits).slice(0, -1).join(", ")} or ${Object.keys(limits).at(-1)}`,
      reason: "FieldValueRequired",
    },
  ],
);

/** Limit that a Checkpoint exceeds. */
export const RETENTION_LIMITS = ["OlderThan", "BeyondLast", "OverTotalSize"] as const;
export type RetentionLimit = (typeof RETENTION_LIMITS)[number];

/**
 * Why retention keeps a Checkpoint.
 * - `NotKnown`: the API server denies objects of its namespace, or it has no time
 * - `Deleting`: it is being deleted
 * - `NotEnded`: the checkpoint has not ended
 * - `Pinned`: `spec.pinned` is true
 * - `OwnedByCedana`: a Cedana created it
 * - `InUse`: a pod has claimed it or is restored from it, a pod template names it, or the state of its restore is unknown
 * - `LastGood`: the last good one of its workload, or of a pod of it that may be restored
 * - `LastProven`: the last one of its workload from which a pod was restored, or that a policy has verified
 * - `RecentFailure`: it failed, and the backoff of its pod, or an engine, may still depend on it
 * - `KeepLast`: one of the last `keepLast` of its workload
 * - `WithinLimits`: it exceeds no limit
 */
export const RETENTION_KEEP_REASONS = [
  "NotKnown",
  "Deleting",
  "NotEnded",
  "Pinned",
  "OwnedByCedana",
  "InUse",
  "LastGood",
  "LastProven",
  "RecentFailure",
  "KeepLast",
  "WithinLimits",
] as const;
export type RetentionKeepReason = (typeof RETENTION_KEEP_REASONS)[number];

/** Status of a policy with the action `deleteCheckpoints`. */
export const retention = object(
  "What a policy with the action deleteCheckpoints deletes and keeps, as of its next run, if nothing else changes.",
  {
    selected: count("Number of Checkpoints that the policy selects."),
    totalBytes: count("Size of these, as far as it is known."),
    toDelete: count("Number of Checkpoints that the next run deletes; with dryRun, that it would delete."),
    next: optional(
      list(
        `The first ${MAX_NEXT} of them, in the order of deletion.`,
        object(undefined, {
          namespace: text("Namespace of the Checkpoint.", 63),
          name: text("Name of the Checkpoint.", 253),
          reason: oneOf("Limit that it exceeds.", RETENTION_LIMITS),
          message: text("Explanation for people.", 1024),
        }),
        { maxItems: MAX_NEXT, merge: "atomic" },
      ),
    ),
    kept: optional(
      list(
        "Number of Checkpoints that are kept, by reason. The first rule that holds is the reason.",
        object(undefined, {
          reason: oneOf("Why they are kept.", RETENTION_KEEP_REASONS),
          count: count("Number of Checkpoints."),
        }),
        { maxItems: RETENTION_KEEP_REASONS.length, merge: "atomic" },
      ),
    ),
    deleted: optional(
      count("Number of Checkpoints that the last run deleted. Missing before the first one."),
    ),
  },
);

export type DeleteCheckpointsAction = Infer<typeof deleteCheckpoints>;
export type RetentionStatus = Infer<typeof retention>;
