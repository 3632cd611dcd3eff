import type { KmsKey } from "@cdktf/provider-aws/lib/kms-key";
import { S3Bucket } from "@cdktf/provider-aws/lib/s3-bucket";
import { S3BucketLifecycleConfiguration } from "@cdktf/provider-aws/lib/s3-bucket-lifecycle-configuration";
import { S3BucketOwnershipControls } from "@cdktf/provider-aws/lib/s3-bucket-ownership-controls";
import { S3BucketPolicy } from "@cdktf/provider-aws/lib/s3-bucket-policy";
import { S3BucketPublicAccessBlock } from "@cdktf/provider-aws/lib/s3-bucket-public-access-block";
import { S3BucketServerSideEncryptionConfigurationA } from "@cdktf/provider-aws/lib/s3-bucket-server-side-encryption-configuration";
import { S3BucketVersioningA } from "@cdktf/provider-aws/lib/s3-bucket-versioning";
import type { Construct } from "constructs";
import { bucketPrefix } from "../../../config/cluster";
import {
  storePropsSchema,
  type GivenStorePropsSpec,
  type ResolvedStoreProps,
  type StorePropsSpec,
} from "../../../config/checkpoint-store";
import { tlsOnlyStatement } from "../../../render/iam";
import { resolve } from "../../../config/schema";
import { kmsKey } from "../internal/kms-key";
import { policyDocument } from "../internal/policy";
import { StoreBase } from "./base";
import { ExistingStore } from "./existing";
import type { ICheckpointStore } from "./types";

/** Settings of the bucket. Access is granted by the methods of the construct. */
export interface CheckpointStoreProps extends StorePropsSpec {}

/**
 * Creates an S3 bucket for checkpoints: private, TLS only, encrypted with a KMS key. A bucket key keeps the number of KMS
 * calls small for checkpoints of many objects. Unfinished multipart uploads are removed.
 * @throws InvalidInputError
 */
export class CheckpointStore extends StoreBase {
  /** Uses an existing bucket without changing it. `region` is the region of the bucket. */
  static fromAttributes(scope: Construct, id: string, attributes: GivenStorePropsSpec): ICheckpointStore {
    return new ExistingStore(scope, id, attributes);
  }

  readonly bucket: S3Bucket;
  /** Undefined if a key was given. */
  readonly key?: KmsKey;
  readonly policy: S3BucketPolicy;
  readonly lifecycle: S3BucketLifecycleConfiguration;
  readonly prefix: string;
  readonly kmsKeyArn: string;
  protected readonly region: string;

  constructor(scope: Construct, id: string, props: CheckpointStoreProps) {
    super(scope, id);
    const spec = resolve(this.node.path, storePropsSchema, props);
    this.prefix = spec.prefix;
    this.region = spec.region;
    if (spec.kmsKeyArn === undefined) this.key = kmsKey(this, "key", `Checkpoints of ${spec.owner}`);
    this.kmsKeyArn = spec.kmsKeyArn ?? this.key!.arn;
    this.bucket = new S3Bucket(this, "bucket", {
      ...(spec.bucket === undefined
        ? { bucketPrefix: bucketPrefix(spec.owner, "checkpoints") }
        : { bucket: spec.bucket }),
      forceDestroy: spec.forceDestroy,
    });
    const block = this.blockPublicAccess();
    this.encrypt();
    this.lifecycle = this.makeLifecycle(spec);
    // S3 rejects concurrent changes of a bucket's access settings.
    this.policy = new S3BucketPolicy(this, "policy", {
      bucket: this.bucket.id,
      policy: policyDocument(tlsOnlyStatement(this.bucketArn)),
      dependsOn: [block],
    });
  }

  get bucketName(): string {
    return this.bucket.bucket;
  }

  get bucketArn(): string {
    return this.bucket.arn;
  }

  private blockPublicAccess(): S3BucketPublicAccessBlock {
    new S3BucketOwnershipControls(this, "ownership", {
      bucket: this.bucket.id,
      rule: { objectOwnership: "BucketOwnerEnforced" },
    });
    return new S3BucketPublicAccessBlock(this, "public-access", {
      bucket: this.bucket.id,
      blockPublicAcls: true,
      blockPublicPolicy: true,
      ignorePublicAcls: true,
      restrictPublicBuckets: true,
    });
  }

  private encrypt(): void {
    new S3BucketServerSideEncryptionConfigurationA(this, "encryption", {
      bucket: this.bucket.id,
      rule: [
        {
          applyServerSideEncryptionByDefault: { sseAlgorithm: "aws:kms", kmsMasterKeyId: this.kmsKeyArn },
          bucketKeyEnabled: true,
        },
      ],
    });
  }

  private makeLifecycle(spec: ResolvedStoreProps): S3BucketLifecycleConfiguration {
    const versioning = new S3BucketVersioningA(this, "versioning", {
      bucket: this.bucket.id,
      versioningConfiguration: { status: spec.versioning ? "Enabled" : "Suspended" },
    });
    return new S3BucketLifecycleConfiguration(this, "lifecycle", {
      bucket: this.bucket.id,
      rule: [
        {
          id: "unfinished-uploads",
          status: "Enabled",
          filter: [{ prefix: "" }],
          abortIncompleteMultipartUpload: [{ daysAfterInitiation: spec.abortMultipartDays }],
        },
        {
          id: "deleted-checkpoints",
          status: "Enabled",
          filter: [{ prefix: "" }],
          noncurrentVersionExpiration: [{ noncurrentDays: spec.noncurrentDays }],
          // Removes delete markers that have no versions left behind them.
          expiration: [{ expiredObjectDeleteMarker: true }],
        },
        ...(spec.expireDays === undefined
          ? []
          : [
              {
                id: "old-checkpoints",
                status: "Enabled",
                filter: [{ prefix: spec.prefix }],
                expiration: [{ days: spec.expireDays }],
              },
            ]),
      ],
      dependsOn: [versioning],
    });
  }
}
