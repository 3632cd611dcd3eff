import * as v from "valibot";
import { givenOrNew } from "../schema/existing-or-new";
import { serviceAccounts } from "../pod-identity";
import { arn, clusterName, described, integer, pattern, region, shape } from "../schema";

/** Bucket names as S3 allows them, without dots: those break TLS host names. */
export const bucketName = pattern(
  /^(?!xn--|sthree-|.*(-s3alias|--ol-s3|--x-s3|--table-s3)$)[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$/,
  {
    code: "not-a-bucket-name",
    message: "is not a name that S3 allows",
    allowed:
      "3 to 63 lower-case letters, digits and -, beginning and ending with a letter or digit; not the prefixes and suffixes that S3 keeps for itself",
  },
);

const prefix = described(
  v.optional(
    pattern(/^([A-Za-z0-9!_.*'()-]+\/)*$/, {
      code: "not-a-key-prefix",
      message: "is not a prefix of object keys",
      allowed: "folders, each followed by /, such as checkpoints/ or team/a/; empty for the whole bucket",
    }),
    "checkpoints/",
  ),
  "Prefix of the keys of all checkpoints. Access is granted below it only.",
);

const access = {
  writers: serviceAccounts(
    "ServiceAccounts that may write, read and delete checkpoints, by EKS Pod Identity. Cedana's own s3 storage plugin cannot use this: it takes static keys only (see staticKeyUser).",
  ),
  readers: serviceAccounts("ServiceAccounts that may read checkpoints, by EKS Pod Identity."),
  staticKeyUser: described(
    v.optional(v.boolean(), false),
    "Makes an IAM user that may use the store, for Cedana's s3 storage plugin, which refuses to start without an access key. The key itself is never made here, because it would lie in the Terraform state: make it by hand and put it into a Kubernetes Secret.",
  ),
};

const newBucket = {
  bucket: described(
    v.optional(bucketName),
    "Name of the bucket. Left out, AWS completes <cluster>-checkpoints- to a name that is free.",
  ),
  prefix,
  kmsKeyArn: described(v.optional(arn), "KMS key of the objects. Left out, one is made, rotated every year."),
  versioning: described(
    v.optional(v.boolean(), true),
    "Whether an overwritten or deleted checkpoint can be brought back, for noncurrentDays.",
  ),
  noncurrentDays: described(
    v.optional(integer(1, 3650), 7),
    "After how many days an overwritten or deleted checkpoint is gone for good.",
  ),
  expireDays: described(
    v.optional(integer(1, 3650)),
    "After how many days a checkpoint is deleted, whether or not it was restored. Left out: never.",
  ),
  abortMultipartDays: described(
    v.optional(integer(1, 365), 3),
    "After how many days the parts of an upload that never finished are deleted. They are paid for but invisible.",
  ),
  forceDestroy: described(
    v.optional(v.boolean(), false),
    "Whether `terraform destroy` deletes the bucket with all checkpoints in it. Otherwise it refuses.",
  ),
};

const givenBucket = {
  existingBucket: described(bucketName, "Name of a bucket that exists. Nothing about it is changed."),
  prefix,
  kmsKeyArn: described(
    v.optional(arn),
    "KMS key of the bucket, if it has one. Left out, no access to a key is granted.",
  ),
};

/** A bucket made for checkpoints, and who may use it. */
export const newStoreSchema = shape({ ...newBucket, ...access });

/** A bucket that exists already, and who may use it. */
export const givenStoreSchema = shape({ ...givenBucket, ...access });

/** The construct's own input: access is granted by its methods. */
export const storePropsSchema = shape({
  ...newBucket,
  owner: described(clusterName, "Begins the bucket's name, where none is given: the cluster's name."),
  region: described(region, "AWS region, as the provider has it."),
});

/** The same for a bucket that exists. */
export const givenStorePropsSchema = shape({
  ...givenBucket,
  region: described(region, "AWS region of the bucket."),
});

export const checkpointStoreSchema = givenOrNew("existingBucket", givenStoreSchema, newStoreSchema);

export interface NewStoreSpec extends v.InferInput<typeof newStoreSchema> {}
export interface GivenStoreSpec extends v.InferInput<typeof givenStoreSchema> {}
export interface StorePropsSpec extends v.InferInput<typeof storePropsSchema> {}
export interface GivenStorePropsSpec extends v.InferInput<typeof givenStorePropsSchema> {}
export type ResolvedStoreProps = v.InferOutput<typeof storePropsSchema>;
export type CheckpointStoreSpec = NewStoreSpec | GivenStoreSpec;
export type ResolvedNewStore = v.InferOutput<typeof newStoreSchema>;
export type ResolvedGivenStore = v.InferOutput<typeof givenStoreSchema>;
export type ResolvedCheckpointStore = v.InferOutput<typeof checkpointStoreSchema>;
