import * as v from "./schema/valibot";
import { existingOrNew } from "./schema/shape";
import { serviceAccounts } from "./pod-identity";
import { arn, clusterName, derived, described, integer, pattern, region, shape, titled } from "./schema";

/** Matches S3 bucket names without dots, because dots break TLS host names. */
export const bucketName = pattern(
  /^(?!xn--|sthree-|.*(-s3alias|--ol-s3|--x-s3|--table-s3)$)[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$/,
  {
    code: "invalid-bucket-name",
    message: "is not a valid S3 bucket name",
    allowed:
      "3 to 63 lowercase letters, digits and -, beginning and ending with a letter or digit; without the prefixes and suffixes that S3 reserves",
  },
);

const prefix = described(
  v.optional(
    pattern(/^([A-Za-z0-9!_.*'()-]+\/)*$/, {
      code: "invalid-key-prefix",
      message: "is not a valid prefix of object keys",
      allowed: "directories, each followed by /, such as checkpoints/ or team/a/; empty for the whole bucket",
    }),
    "checkpoints/",
  ),
  "Prefix of the object keys of all checkpoints. Access is granted only to keys with this prefix.",
);

const access = {
  writers: serviceAccounts(
    "ServiceAccounts that may write, read and delete checkpoints, by EKS Pod Identity. Cedana's s3 storage plugin does not support Pod Identity, only static keys (see staticKeyUser).",
  ),
  readers: serviceAccounts("ServiceAccounts that may read checkpoints, by EKS Pod Identity."),
  staticKeyUser: described(
    v.optional(v.boolean(), false),
    "Whether to create an IAM user with access to the store. Cedana's s3 storage plugin requires a static access key. Create the key yourself and store it in a Kubernetes Secret: Terraform would write it to its state.",
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
    "Whether an overwritten or deleted checkpoint can be recovered for noncurrentDays days.",
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

const existingBucketEntries = {
  existingBucket: described(bucketName, "Name of an existing bucket. It is not changed."),
  prefix,
  kmsKeyArn: described(
    derived(arn, "no access to a key"),
    "KMS key of the bucket. The users of the store get access to it.",
  ),
};

/** Describes a new bucket for checkpoints and the accounts with access to it. */
export const newStoreSchema = titled(shape({ ...newBucket, ...access }), "a new bucket");

/** Describes an existing bucket for checkpoints and the accounts with access to it. */
export const existingStoreSchema = titled(
  shape({ ...existingBucketEntries, ...access }),
  "an existing bucket",
);

/** Describes the props of the construct. Its methods grant access. */
export const storePropsSchema = shape({
  ...newBucket,
  owner: described(
    clusterName,
    "Name of the cluster. It is the prefix of the bucket's name if bucket is not set.",
  ),
  region: described(region, "AWS region of the provider."),
});

/** Describes the props of the construct for an existing bucket. */
export const existingStorePropsSchema = shape({
  ...existingBucketEntries,
  region: described(region, "AWS region of the bucket."),
});

export const checkpointStoreSchema = existingOrNew("existingBucket", existingStoreSchema, newStoreSchema);

export interface NewStoreSpec extends v.InferInput<typeof newStoreSchema> {}
export interface ExistingStoreSpec extends v.InferInput<typeof existingStoreSchema> {}
export interface StorePropsSpec extends v.InferInput<typeof storePropsSchema> {}
export interface ExistingStorePropsSpec extends v.InferInput<typeof existingStorePropsSchema> {}
export type ResolvedStoreProps = v.InferOutput<typeof storePropsSchema>;
export type CheckpointStoreSpec = NewStoreSpec | ExistingStoreSpec;
export type ResolvedNewStore = v.InferOutput<typeof newStoreSchema>;
export type ResolvedExistingStore = v.InferOutput<typeof existingStoreSchema>;
export type ResolvedCheckpointStore = v.InferOutput<typeof checkpointStoreSchema>;
