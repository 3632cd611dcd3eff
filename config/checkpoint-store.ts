import * as v from "./schema/valibot";
import { givenOrNew } from "./schema/shape";
import { serviceAccounts } from "./pod-identity";
import { arn, clusterName, derived, described, integer, pattern, region, shape, titled } from "./schema";

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
      allowed: "directories, each followed by /, such as checkpoints/ or team/a/; empty for the whole bucket",
    }),
    "checkpoints/",
  ),
  "Prefix of the object keys of all checkpoints. Access is granted below it only.",
);

const access = {
  writers: serviceAccounts(
    "ServiceAccounts that may write, read and delete checkpoints, by EKS Pod Identity. Cedana's s3 storage plugin cannot use it: it accepts static keys only (see staticKeyUser).",
  ),
  readers: serviceAccounts("ServiceAccounts that may read checkpoints, by EKS Pod Identity."),
  staticKeyUser: described(
    v.optional(v.boolean(), false),
    "Whether to create an IAM user that may use the store, for Cedana's s3 storage plugin, which does not start without an access key. Create the key yourself and put it into a Kubernetes Secret: created here, it would be in the Terraform state.",
  ),
};

const newBucket = {
  bucket: described(
    derived(bucketName, "<cluster>-checkpoints- and a suffix from AWS"),
    "Name of the bucket.",
  ),
  prefix,
  kmsKeyArn: described(derived(arn, "a new key, rotated every year"), "KMS key that encrypts the objects."),
  versioning: described(
    v.optional(v.boolean(), true),
    "Whether an overwritten or deleted checkpoint can be recovered, for noncurrentDays.",
  ),
  noncurrentDays: described(
    v.optional(integer(1, 3650), 7),
    "Days after which an overwritten or deleted checkpoint is removed permanently.",
  ),
  expireDays: described(
    derived(integer(1, 3650), "never"),
    "Days after which a checkpoint is deleted, whether or not it was restored.",
  ),
  abortMultipartDays: described(
    v.optional(integer(1, 365), 3),
    "Days after which the parts of an unfinished upload are deleted. They cost money but are not listed as objects.",
  ),
  forceDestroy: described(
    v.optional(v.boolean(), false),
    "Whether `terraform destroy` deletes the bucket with all checkpoints in it. Otherwise it fails while the bucket is not empty.",
  ),
};

const givenBucket = {
  existingBucket: described(bucketName, "Name of an existing bucket. It is not changed."),
  prefix,
  kmsKeyArn: described(
    derived(arn, "no access to a key"),
    "KMS key of the bucket, to which access is granted.",
  ),
};

/** A new bucket for checkpoints, and its users. */
export const newStoreSchema = titled(shape({ ...newBucket, ...access }), "a new bucket");

/** An existing bucket for checkpoints, and its users. */
export const givenStoreSchema = titled(shape({ ...givenBucket, ...access }), "an existing bucket");

/** Input of the construct: access is granted by its methods. */
export const storePropsSchema = shape({
  ...newBucket,
  owner: described(clusterName, "Name of the cluster. Without bucket, the bucket's name begins with it."),
  region: described(region, "AWS region of the provider."),
});

/** Input of the construct for an existing bucket. */
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
