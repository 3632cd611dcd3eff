import * as v from "valibot";
import { bucketName } from "../checkpoint-store";
import { tagsSchema } from "../nodes/settings";
import { arn, described, pattern, region, shape } from "../schema";

const backendSchema = shape({
  bucket: described(bucketName, "Bucket of the state. It must exist."),
  key: described(
    v.optional(
      pattern(/^[A-Za-z0-9!_.*'()/-]{1,1024}$/, {
        code: "not-an-object-key",
        message: "is not a key that S3 allows",
        allowed: "letters, digits, / and !_.*'()-",
      }),
      "platform.tfstate",
    ),
    "Key of the state in the bucket. The lock lies beside it (Terraform 1.10 and newer).",
  ),
  region: described(region, "Region of the bucket."),
  kmsKeyId: described(v.optional(arn), "KMS key of the state. Left out: the bucket's own encryption."),
});

/** What concerns Terraform and not any one resource. Credentials come from its environment, never from here. */
export const terraformSchema = shape({
  backend: described(
    v.optional(backendSchema),
    "S3 bucket in which Terraform keeps its state. Left out: a file in the directory that it runs in.",
  ),
  tags: described(v.optional(tagsSchema, {}), "Tags of everything that can have tags."),
});
