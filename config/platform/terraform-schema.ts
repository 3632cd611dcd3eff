import * as v from "../schema/valibot";
import { bucketName } from "../checkpoint-store";
import { tagsSchema } from "../nodes/settings";
import { arn, derived, described, pattern, region, shape, titled } from "../schema";
import { givenOrNew } from "../schema/existing-or-new";

const localBackendSchema = shape({
  path: described(
    v.pipe(v.string(), v.nonEmpty()),
    "Path of the file, absolute or relative to the working directory of Terraform. For experiments.",
  ),
});

const s3BackendSchema = shape({
  bucket: described(bucketName, "Name of the bucket. It must exist."),
  key: described(
    derived(
      pattern(/^[A-Za-z0-9!_.*'()/-]{1,1024}$/, {
        code: "not-an-object-key",
        message: "is not a key that S3 allows",
        allowed: "letters, digits, / and !_.*'()-",
      }),
      "<region>/<cluster>/platform.tfstate; required with existingCluster",
    ),
    "Key of the state in the bucket. Two platforms must not share it. The lock file is stored beside it (Terraform 1.10 and newer).",
  ),
  region: described(region, "AWS region of the bucket."),
  kmsKeyId: described(derived(arn, "the bucket's encryption"), "KMS key that encrypts the state."),
});

/** Settings of Terraform itself. Its credentials come from the environment, never from here. */
export const terraformSchema = shape({
  backend: described(
    derived(
      givenOrNew("path", titled(localBackendSchema, "a local file"), titled(s3BackendSchema, "an S3 bucket")),
      "a file in the working directory of Terraform",
    ),
    "Where Terraform stores its state.",
  ),
  tags: described(
    v.optional(tagsSchema, {}),
    "Tags of all resources that can have tags, including the instances, volumes and network interfaces of node groups. The tags of a group override them.",
  ),
});
