import * as v from "../schema/valibot";
import { derived, described, integer, shape } from "../schema";
import { dockerConfigSecret } from "../secret";

/** What is done with artifacts that no Checkpoint names. */
export const ORPHAN_MODES = ["off", "report", "delete"] as const;

/** Seconds after the deletion of a Checkpoint at which it is released at the latest. */
export const artifactWaitSeconds = integer(60, 604_800);
/** Hours. */
export const orphanHours = integer(1, 87_600);

/** Describes the deletion of artifacts by the controller. */
export const deleteArtifactsSchema = shape({
  waitSeconds: described(
    v.optional(artifactWaitSeconds, 3600),
    "Seconds after its deletion at which a Checkpoint is released without its artifact: a restore still uses the artifact, or the registry does not delete it. The artifact then stays, as one that no Checkpoint names.",
  ),
  orphans: described(
    v.optional(v.picklist(ORPHAN_MODES), "report"),
    "Artifacts of this cluster that no Checkpoint names. report: logged and counted. delete: deleted, also those of Checkpoints with deletionPolicy Retain. off: the repository is not listed.",
  ),
  orphanHours: described(
    v.optional(orphanHours, 24),
    "Hours after its checkpoint from which on an artifact can be an orphan. With orphans: delete, set it above the age of the oldest backup that you restore Checkpoints from.",
  ),
  registryCredentials: described(
    derived(
      dockerConfigSecret("Name of the Secret, in the namespace of the controller."),
      "for an ECR repository the controller's role (EKS Pod Identity), otherwise none",
    ),
    "Secret with a Docker config.json, with which the controller reads manifests, lists tags and deletes. Use another account than that of the agents, without the permission to push.",
  ),
});

/** Settings of the deletion of artifacts. */
export type DeleteArtifactsOf = v.InferOutput<typeof deleteArtifactsSchema>;
