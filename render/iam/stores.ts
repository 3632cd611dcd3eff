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

/** Returns the ARN of a bucket. */
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

/** Returns the statement that denies every request without TLS, also of principals of the account. */
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

/** Permits the login token. ECR has no narrower resource for it. */
const LOGIN = { Effect: "Allow", Action: "ecr:GetAuthorizationToken", Resource: "*" };

/** ARN of a repository, or several. */
type Resource = string | readonly string[];

const PULL = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"];

const PUSH = ["ecr:InitiateLayerUpload", "ecr:UploadLayerPart", "ecr:CompleteLayerUpload", "ecr:PutImage"];

/** Returns the statements to pull images of repositories. */
export function pullStatements(repositoryArn: Resource): object[] {
  return [LOGIN, { Effect: "Allow", Action: PULL, Resource: repositoryArn }];
}

/** Returns the statements to push images to repositories and check which layers exist, but not to pull. */
export function uploadStatements(repositoryArn: Resource): object[] {
  const check = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage"];
  return [LOGIN, { Effect: "Allow", Action: [...check, ...PUSH], Resource: repositoryArn }];
}

/** Returns the statements to log in and check whether a layer exists in repositories. */
export function checkStatements(repositoryArn: Resource): object[] {
  return [LOGIN, { Effect: "Allow", Action: ["ecr:BatchCheckLayerAvailability"], Resource: repositoryArn }];
}

/** Returns the statements to list images of repositories, read their manifests and delete them. Layers cannot be read. */
export function deleteStatements(repositoryArn: Resource): object[] {
  const manage = ["ecr:ListImages", "ecr:BatchGetImage", "ecr:BatchDeleteImage"];
  return [LOGIN, { Effect: "Allow", Action: manage, Resource: repositoryArn }];
}

/** Returns the statements to pull, push, list and delete images of repositories. */
export function pushStatements(repositoryArn: Resource): object[] {
  const manage = ["ecr:DescribeImages", "ecr:ListImages", "ecr:BatchDeleteImage"];
  return [LOGIN, { Effect: "Allow", Action: [...PULL, ...PUSH, ...manage], Resource: repositoryArn }];
}

/** Returns a lifecycle policy that keeps the newest images, with any tag. */
export function keepLastPolicy(count: number): object {
  return expiry(`keep the newest ${count}`, { countType: "imageCountMoreThan", countNumber: count });
}

/** Returns a lifecycle policy that deletes images, with any tag, some days after their push. */
export function expirePolicy(days: number): object {
  const selection = { countType: "sinceImagePushed", countUnit: "days", countNumber: days };
  return expiry(`delete after ${days} days`, selection);
}

function expiry(description: string, selection: object): object {
  const all = { tagStatus: "any", ...selection };
  return { rules: [{ rulePriority: 1, description, selection: all, action: { type: "expire" } }] };
}

/** Returns the ARN of the repository of a URL such as `123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/app`. */
export function repositoryArnOf(url: string): string {
  const [host = "", ...path] = url.split("/");
  const [account = "", , , region = ""] = host.split(".");
  return `arn:${partitionOf(region)}:ecr:${region}:${account}:repository/${path.join("/")}`;
}

/**
 * Returns the statement of a repository's policy that denies reads to all principals but these roles. A role of the account may
 * otherwise read each repository that its own policy permits, as nodes may read all (AmazonEC2ContainerRegistryPullOnly).
 * Without roles, no principal may read.
 * @param account - its ID
 * @param roles - their names
 */
export function othersDenied(account: string, roles: readonly string[]): object {
  return {
    Sid: "OnlyGranted",
    Effect: "Deny",
    Principal: "*",
    Action: ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
    ...(roles.length > 0 && {
      Condition: {
        ArnNotLike: { "aws:PrincipalArn": roles.map((role) => `arn:*:iam::${account}:role/${role}`) },
      },
    }),
  };
}
