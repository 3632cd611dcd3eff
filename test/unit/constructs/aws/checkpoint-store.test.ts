import { IamRole } from "@cdktf/provider-aws/lib/iam-role";
import { App, TerraformOutput, TerraformStack } from "cdktf";
import { CheckpointStore, type CheckpointStoreProps } from "../../../../constructs/aws/checkpoint-store";
import { ImageRepository } from "../../../../constructs/aws/image-repository";
import {
  bucketArn,
  readStatements,
  readWriteStatements,
  tlsOnlyStatement,
  cniIpv6Statements,
  secretsKeyStatement,
  pullStatements,
  pushStatements,
  repositoryArnOf,
  podIdentityTrust,
} from "../../../../render/iam";
import { checkpointStoreSchema } from "../../../../config/checkpoint-store";
import { check } from "../../../../config/schema";
import { expectGolden } from "../../../support/golden";
import { only, resources, synthStack } from "../../../support/terraform-json";

function build(props: Partial<CheckpointStoreProps> = {}) {
  const stack = new TerraformStack(new App(), "test");
  const store = new CheckpointStore(stack, "store", { owner: "Demo_1", region: "eu-west-1", ...props });
  return { stack, store, json: () => synthStack(stack) };
}

test("creates a private, encrypted bucket that accepts only TLS", () => {
  const json = build().json();
  expect(only(json, "aws_s3_bucket")).toEqual({ bucket_prefix: "demo-1-checkpoints-", force_destroy: false });
  const { bucket: _bucket, ...block } = only(json, "aws_s3_bucket_public_access_block");
  expect(block).toEqual({
    block_public_acls: true,
    block_public_policy: true,
    ignore_public_acls: true,
    restrict_public_buckets: true,
  });
  expect(only(json, "aws_s3_bucket_server_side_encryption_configuration")["rule"]).toEqual([
    {
      apply_server_side_encryption_by_default: {
        kms_master_key_id: expect.stringMatching(/^\$\{aws_kms_key\./),
        sse_algorithm: "aws:kms",
      },
      bucket_key_enabled: true,
    },
  ]);
  expect(only(json, "aws_s3_bucket_policy")["policy"]).toContain('"aws:SecureTransport":"false"');
});

test("expires incomplete uploads and deleted checkpoints, and checkpoints only with expireDays", () => {
  const rules = (props: Partial<CheckpointStoreProps>) =>
    only(build(props).json(), "aws_s3_bucket_lifecycle_configuration")["rule"] as { id: string }[];
  expect(rules({}).map(({ id }) => id)).toEqual(["unfinished-uploads", "deleted-checkpoints"]);
  expect(rules({})[1]).toMatchObject({ expiration: [{ expired_object_delete_marker: true }] });
  expect(rules({ expireDays: 30, prefix: "a/" })[2]).toMatchObject({
    id: "old-checkpoints",
    expiration: [{ days: 30 }],
    filter: [{ prefix: "a/" }],
  });
});

test("creates a bucket without versioning", () => {
  expect(only(build({ versioning: false }).json(), "aws_s3_bucket_versioning")).toMatchObject({
    versioning_configuration: { status: "Suspended" },
  });
});

test("limits a grant to bucket, prefix and key", () => {
  const { stack, store, json } = build({
    bucket: "my-bucket",
    kmsKeyArn: "arn:aws:kms:eu-west-1:123456789012:key/1",
  });
  const role = new IamRole(stack, "role", { assumeRolePolicy: "{}" });
  store.grantReadWrite("writer", role);
  store.grantRead("reader", role);
  expect(resources(json(), "aws_iam_role_policy")).toHaveLength(2);
  expect(store.prefix).toBe("checkpoints/");
  new TerraformOutput(stack, "url", { value: store.url });
  expect(json().output!["url"]!.value).toMatch(
    /^s3:\/\/\$\{aws_s3_bucket\.store_bucket_\w+\.bucket\}\/checkpoints$/,
  );
});

test("adds only permissions for an existing bucket", () => {
  const stack = new TerraformStack(new App(), "test");
  const store = CheckpointStore.fromAttributes(stack, "store", {
    existingBucket: "theirs",
    region: "cn-north-1",
    prefix: "",
  });
  store.grantReadWriteToUser("engine", { name: "engine" });
  const json = synthStack(stack);
  expect(Object.keys(json.resource!)).toEqual(["aws_iam_user_policy"]);
  const policy = only(json, "aws_iam_user_policy")["policy"] as string;
  expect(policy).toContain("arn:aws-cn:s3:::theirs/*");
  expect(policy).not.toContain("kms:");
  expect(store.url).toBe("s3://theirs");
});

test("writes these permissions", () => {
  expect.hasAssertions();
  const place = {
    bucketArn: bucketArn("demo-checkpoints", "eu-west-1"),
    prefix: "checkpoints/",
    region: "eu-west-1",
    kmsKeyArn: "arn:aws:kms:eu-west-1:123456789012:key/1",
  };
  const repository = repositoryArnOf("123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/app");
  const policies = {
    "checkpoint store: read and write": readWriteStatements(place),
    "checkpoint store: read": readStatements(place),
    "checkpoint store: bucket policy": tlsOnlyStatement(place.bucketArn),
    "image repository: push": pushStatements(repository),
    "image repository: pull": pullStatements(repository),
    "pod identity: trust": podIdentityTrust(
      "demo",
      { namespace: "team", serviceAccount: "uploader" },
      "111122223333",
    ),
    "cluster: key of secrets": secretsKeyStatement(place.kmsKeyArn),
    "cluster: CNI with IPv6": cniIpv6Statements("aws"),
  };
  expectGolden("aws/expected/policies.json", `${JSON.stringify(policies, null, 2)}\n`);
});

test.each([
  [{ bucket: "Has.Dots" }, "invalid-bucket-name"],
  [{ prefix: "no-slash" }, "invalid-key-prefix"],
  [{ prefix: "/leading/" }, "invalid-key-prefix"],
  [{ expireDays: 0 }, "out-of-range"],
  [{ existingBucket: "x", kmsKeyArn: "nope" }, "invalid-bucket-name"],
  ["a string", "wrong-type"],
  [{ existingBucket: "theirs", versioning: true }, "unknown-key"],
  [{ writers: [{ namespace: "a" }] }, "missing"],
])("rejects %j", (input, code) => {
  expect(check(checkpointStoreSchema, input).problems?.map((problem) => problem.code)).toContain(code);
});

test("creates a repository with immutable tags", () => {
  const stack = new TerraformStack(new App(), "test");
  const repository = new ImageRepository(stack, "repository", { name: "team/checkpoints" });
  repository.grantPush("writer", { name: "writer" });
  const json = synthStack(stack);
  expect(only(json, "aws_ecr_repository")).toMatchObject({
    image_tag_mutability: "IMMUTABLE",
    image_scanning_configuration: { scan_on_push: false },
    encryption_configuration: [{ encryption_type: "KMS" }],
    force_delete: false,
  });
  expect(only(json, "aws_iam_role_policy")["policy"]).toContain("ecr:PutImage");
});

test.each<[string, object, object[]]>([
  ["none", {}, []],
  ["the number", { keepLast: 7 }, [{ countType: "imageCountMoreThan", countNumber: 7 }]],
  ["the age", { expireDays: 30 }, [{ countType: "sinceImagePushed", countUnit: "days", countNumber: 30 }]],
])("deletes no image unless a rule is set: %s", (_, props, selections) => {
  const stack = new TerraformStack(new App(), "test");
  const { lifecycle } = new ImageRepository(stack, "repository", { name: "team/checkpoints", ...props });
  expect(lifecycle === undefined).toBe(selections.length === 0);
  const json = synthStack(stack);
  const policies = Object.values(json.resource?.["aws_ecr_lifecycle_policy"] ?? {}) as { policy: string }[];
  const rules = policies.flatMap(({ policy }) => (JSON.parse(policy) as { rules: object[] }).rules);
  expect(rules).toMatchObject(
    selections.map((one) => ({ selection: { tagStatus: "any", ...one }, action: { type: "expire" } })),
  );
  expect(rules).toHaveLength(selections.length);
});

test("rejects two rules that delete images", () => {
  const stack = new TerraformStack(new App(), "test");
  const props = { name: "team/checkpoints", keepLast: 7, expireDays: 30 };
  expect(() => new ImageRepository(stack, "repository", props)).toThrow(
    "keepLast  excludes expireDays: ECR has one rule for all images; given: 7; remove one of the two",
  );
});

test("denies pulls to all roles without a grant, if configured", () => {
  const policyOf = (grant: (repository: ImageRepository) => void) => {
    const stack = new TerraformStack(new App(), "test");
    grant(new ImageRepository(stack, "repository", { name: "team/checkpoints", onlyGranted: true }));
    return JSON.parse(only(synthStack(stack), "aws_ecr_repository_policy")["policy"] as string) as object;
  };
  const denied = {
    Sid: "OnlyGranted",
    Effect: "Deny",
    Principal: "*",
    Action: ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
  };
  expect(policyOf(() => {})).toMatchObject({ Statement: [denied] });
  expect(JSON.stringify(policyOf(() => {}))).not.toContain("Condition");
  const granted = policyOf((repository) => {
    repository.grantUpload("pusher", { name: "pusher" });
    repository.grantPull("puller", { name: "puller" });
    repository.grantCheck("checker", { name: "checker" });
  });
  const roles = ["pusher", "puller"].map(
    (role) => `arn:*:iam::\${data.aws_caller_identity.cedana-account.account_id}:role/${role}`,
  );
  expect(granted).toMatchObject({
    Statement: [{ ...denied, Condition: { ArnNotLike: { "aws:PrincipalArn": roles } } }],
  });
});

test("derives the ARN of an existing repository from its URL, which must be known", () => {
  const stack = new TerraformStack(new App(), "test");
  const url = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/a/b";
  expect(ImageRepository.fromAttributes(stack, "one", { existingUrl: url }).arn).toBe(
    "arn:aws:ecr:eu-west-1:123456789012:repository/a/b",
  );
  expect(() => ImageRepository.fromAttributes(stack, "two", { existingUrl: "${TfToken[TOKEN.1]}" })).toThrow(
    "is a Terraform token",
  );
});
