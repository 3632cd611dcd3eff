import * as v from "valibot";
import { bucketName } from "../checkpoint-store";
import { tagsSchema } from "../nodes/settings";
import { arn, described, pattern, region, shape } from "../schema";
import { givenOrNew } from "../schema/existing-or-new";

const localBackendSchema = shape({
  path: described(
    v.pipe(v.string(), v.nonEmpty()),
    "File of the state, absolute or from the directory that Terraform runs in. For trying things out.",
  ),
});

const s3BackendSchema = shape({
  bucket: described(bucketName, "Bucket of the state. It must exist."),
  key: described(
    v.optional(
      pattern(/^[A-Za-z0-9!_.*'()/-]{1,1024}$/, {
        code: "not-an-object-key",
        message: "is not a key that S3 allows",
        allowed: "letters, digits, / and !_.*'()-",
      }),
    ),
    "Key of the state in the bucket, with its lock beside it (Terraform 1.10 and newer). Default: REGION/CLUSTER/platform.tfstate. Required with existingCluster, which several platforms can name.",
  ),
  region: described(region, "Region of the bucket."),
  kmsKeyId: described(v.optional(arn), "KMS key of the state. Left out: the bucket's own encryption."),
});

/** Settings of Terraform itself. Its credentials come from the environment, never from here. */
export const terraformSchema = shape({
  backend: described(
    v.optional(givenOrNew("path", localBackendSchema, s3BackendSchema)),
    "Where Terraform keeps its state: an S3 bucket, or a file. Default: a file in the directory that Terraform runs in.",
  ),
  tags: described(
    v.optional(tagsSchema, {}),
    "Tags of everything that can have tags, including the instances, volumes and network interfaces of node groups. The tags of a group override them.",
  ),
});
