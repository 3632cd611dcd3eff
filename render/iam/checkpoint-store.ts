import { dnsSuffix, partitionOf } from "../../config/cluster";

/** The S3 location that permissions apply to. */
export interface StorePlace {
  readonly bucketArn: string;
  /** Key prefix, ending with `/`, or empty for the whole bucket. */
  readonly prefix: string;
  /** Region of the bucket. */
  readonly region: string;
  /** KMS key of the objects, if they have one. */
  readonly kmsKeyArn?: string;
}

export function bucketArn(bucket: string, region: string): string {
  return `arn:${partitionOf(region)}:s3:::${bucket}`;
}

/** Returns the statements to list and read checkpoints. */
export function readStatements(place: StorePlace): object[] {
  return [list(place, ["s3:ListBucket"]), objects(place, ["s3:GetObject"]), ...key(place, ["kms:Decrypt"])];
}

/** Returns the statements to list, read, write and delete checkpoints. Multipart uploads also need kms:Decrypt. */
export function readWriteStatements(place: StorePlace): object[] {
  return [
    list(place, ["s3:ListBucket", "s3:ListBucketMultipartUploads"]),
    objects(place, [
      "s3:GetObject",
      "s3:PutObject",
      "s3:DeleteObject",
      "s3:AbortMultipartUpload",
      "s3:ListMultipartUploadParts",
    ]),
    ...key(place, ["kms:Decrypt", "kms:GenerateDataKey"]),
  ];
}

/** Denies every request without TLS, also by principals of the account. */
export function tlsOnlyStatement(arn: string): object {
  return {
    Sid: "TlsOnly",
    Effect: "Deny",
    Principal: "*",
    Action: "s3:*",
    Resource: [arn, `${arn}/*`],
    Condition: { Bool: { "aws:SecureTransport": "false" } },
  };
}

function list({ bucketArn, prefix }: StorePlace, actions: string[]): object {
  return {
    Effect: "Allow",
    Action: actions,
    Resource: bucketArn,
    ...(prefix === "" ? {} : { Condition: { StringLike: { "s3:prefix": [`${prefix}*`] } } }),
  };
}

function objects({ bucketArn, prefix }: StorePlace, actions: string[]): object {
  return { Effect: "Allow", Action: actions, Resource: `${bucketArn}/${prefix}*` };
}

function key({ kmsKeyArn, region }: StorePlace, actions: string[]): object[] {
  if (kmsKeyArn === undefined) return [];
  const viaS3 = { StringEquals: { "kms:ViaService": `s3.${region}.${dnsSuffix(region)}` } };
  return [{ Effect: "Allow", Action: actions, Resource: kmsKeyArn, Condition: viaS3 }];
}
