import { IamRolePolicy } from "@cdktf/provider-aws/lib/iam-role-policy";
import { IamUserPolicy } from "@cdktf/provider-aws/lib/iam-user-policy";
import { Construct } from "constructs";
import type { KmsKey } from "@cdktf/provider-aws/lib/kms-key";
import { S3Bucket } from "@cdktf/provider-aws/lib/s3-bucket";
import { S3BucketLifecycleConfiguration } from "@cdktf/provider-aws/lib/s3-bucket-lifecycle-configuration";
import { S3BucketOwnershipControls } from "@cdktf/provider-aws/lib/s3-bucket-ownership-controls";
import { S3BucketPolicy } from "@cdktf/provider-aws/lib/s3-bucket-policy";
import { S3BucketPublicAccessBlock } from "@cdktf/provider-aws/lib/s3-bucket-public-access-block";
import { S3BucketServerSideEncryptionConfigurationA } from "@cdktf/provider-aws/lib/s3-bucket-server-side-encryption-configuration";
import { S3BucketVersioningA } from "@cdktf/provider-aws/lib/s3-bucket-versioning";
import {
  bucketArn,
  readStatements,
  readWriteStatements,
  tlsOnlyStatement,
  type StorePlace,
} from "../../../render/iam";
import { kmsKey, policyDocument } from "../internal";
import {
  existingStorePropsSchema,
  storePropsSchema,
  type ExistingStorePropsSpec,
  type ResolvedStoreProps,
  type StorePropsSpec,
} from "../../../config/checkpoint-store";
import { resolve } from "../../../config/schema";
import { bucketPrefix } from "../../../config/cluster";

/** Anything with the name of an IAM role: an `IamRole`, a `DataAwsIamRole`, or `{ name }`. */
export interface RoleReference {
  readonly name: string;
}

/** An S3 location for checkpoints, with methods that grant access to it. */
export interface ICheckpointStore {
  readonly bucketName: string;
  readonly bucketArn: string;
  /** Key prefix, ending with `/`, or empty. */
  readonly prefix: string;
  /** `s3://<bucket>/<prefix>` without the trailing `/`: the value for the engine's checkpoint directory. */
  readonly url: string;
  readonly kmsKeyArn?: string;
  /**
   * Lets a role list, read, write and delete checkpoints below the prefix.
   * @param id unique within the store; part of the policy's address in the Terraform state
   */
  grantReadWrite(id: string, role: RoleReference): IamRolePolicy;
  /** Lets a role list and read checkpoints below the prefix. */
  grantRead(id: string, role: RoleReference): IamRolePolicy;
  /** Same as grantReadWrite, for an IAM user: Cedana's s3 storage plugin accepts only an access key. */
  grantReadWriteToUser(id: string, user: { readonly name: string }): IamUserPolicy;
}

/** Implements the grants of every store, new or existing. */
abstract class StoreBase extends Construct implements ICheckpointStore {
  abstract readonly bucketName: string;
  abstract readonly bucketArn: string;
  abstract readonly prefix: string;
  abstract readonly kmsKeyArn?: string;
  protected abstract readonly region: string;

  get url(): string {
    return `s3://${this.bucketName}/${this.prefix}`.replace(/\/+$/, "");
  }

  grantReadWrite(id: string, role: RoleReference): IamRolePolicy {
    return this.grant(`read-write-${id}`, role, readWriteStatements(this.place));
  }

  grantRead(id: string, role: RoleReference): IamRolePolicy {
    return this.grant(`read-only-${id}`, role, readStatements(this.place));
  }

  grantReadWriteToUser(id: string, user: { readonly name: string }): IamUserPolicy {
    return new IamUserPolicy(this, `user-${id}`, {
      user: user.name,
      namePrefix: "checkpoint-store-",
      policy: policyDocument(...readWriteStatements(this.place)),
    });
  }

  private grant(id: string, role: RoleReference, statements: object[]): IamRolePolicy {
    return new IamRolePolicy(this, id, {
      role: role.name,
      namePrefix: "checkpoint-store-",
      policy: policyDocument(...statements),
    });
  }

  private get place(): StorePlace {
    return {
      bucketArn: this.bucketArn,
      prefix: this.prefix,
      region: this.region,
      ...(this.kmsKeyArn === undefined ? {} : { kmsKeyArn: this.kmsKeyArn }),
    };
  }
}

/** A store in an existing bucket. */
class ExistingStore extends StoreBase {
  readonly bucketName: string;
  readonly bucketArn: string;
  readonly prefix: string;
  readonly kmsKeyArn?: string;
  protected readonly region: string;

  constructor(scope: Construct, id: string, attributes: ExistingStorePropsSpec) {
    super(scope, id);
    const spec = resolve(this.node.path, existingStorePropsSchema, attributes);
    this.region = spec.region;
    this.bucketName = spec.existingBucket;
    this.bucketArn = bucketArn(spec.existingBucket, spec.region);
    this.prefix = spec.prefix;
    this.kmsKeyArn = spec.kmsKeyArn;
  }
}

/** Settings of the bucket. Access is granted by the methods of the construct. */
export interface CheckpointStoreProps extends StorePropsSpec {}

/**
 * Creates an S3 bucket for checkpoints: private, TLS only, encrypted with a KMS key. A bucket key keeps the number of KMS
 * calls small for checkpoints of many objects. Unfinished multipart uploads are removed.
 * @throws InvalidInputError
 */
export class CheckpointStore extends StoreBase {
  /** Uses an existing bucket without changing it. `region` is the region of the bucket. */
  static fromAttributes(scope: Construct, id: string, attributes: ExistingStorePropsSpec): ICheckpointStore {
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
