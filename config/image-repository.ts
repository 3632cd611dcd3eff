import * as v from "./schema/valibot";
import { existingOrNew } from "./schema/shape";
import { serviceAccounts } from "./pod-identity";
import { arn, derived, described, dnsLabel, integer, pattern, shape, titled } from "./schema";
import type { Problem } from "./schema/problem";
import { isToken, rule } from "./schema/rule";

const NAME = "[a-z0-9]+((\\.|_|__|-+)[a-z0-9]+)*";

const repositoryName = pattern(new RegExp(`^(?=.{2,256}$)${NAME}(/${NAME})*$`), {
  code: "invalid-repository-name",
  message: "is not a valid ECR repository name",
  allowed:
    "2 to 256 lowercase letters, digits, ., _, - and /, each part beginning and ending with a letter or digit",
});

const access = {
  writers: serviceAccounts("ServiceAccounts that may push, pull and delete images, by EKS Pod Identity."),
  pushers: serviceAccounts(
    "ServiceAccounts that may push images, but not pull or delete them. In cedana.yaml, the agent of the engine is added automatically.",
  ),
  pullers: serviceAccounts(
    "ServiceAccounts that may pull images, but not push or delete them. In cedana.yaml, the agent of the engine criu is added automatically.",
  ),
  checkers: serviceAccounts(
    "ServiceAccounts that may log in and check whether a layer exists. In cedana.yaml, the health check of the engine is added automatically.",
  ),
  deleters: serviceAccounts(
    "ServiceAccounts that may list images, read their manifests and delete them, but neither push nor pull layers. In cedana.yaml, the controller is added automatically with install.checkpoints.deleteArtifacts.",
  ),
};

const distinct = v.pipe(
  v.array(dnsLabel),
  rule<string[]>({
    code: "unresolved-token",
    test: (names) => !names.some(isToken),
    message: "contains a Terraform token, but resource addresses depend on the names",
    allowed: "literal values",
  }),
  rule<string[]>({
    code: "duplicate",
    test: (names) => new Set(names).size === names.length,
    message: "contains a namespace twice",
    allowed: "each namespace once",
    remedy: "remove one of them",
  }),
);

const namespaces = described(
  v.optional(distinct, []),
  "Namespaces with a repository of their own, <repository>/<namespace>, for checkpoints. Grants apply to the repository and to all below it. In cedana.yaml, engine.repositoryPerNamespace adds those of install.checkpoints.namespaces.",
);

const newRepository = {
  name: described(repositoryName, "Name of the repository."),
  namespaces,
  expireDays: described(
    derived(integer(1, 3650), "never"),
    "Days after which an image is deleted, counted from its push. A Checkpoint names its artifact beyond that.",
  ),
  keepLast: described(
    derived(integer(1, 100_000), "all"),
    "Number of images to keep. Older ones are deleted, tagged or not. Not for checkpoints: those of all workloads are counted together. Excludes expireDays.",
  ),
  scanOnPush: described(
    v.optional(v.boolean(), false),
    "Whether ECR scans each pushed image for known vulnerabilities. A scan of a checkpoint finds nothing, and gives the memory of its processes to another service.",
  ),
  onlyGranted: described(
    v.optional(v.boolean(), false),
    "Whether a policy of the repository denies pulls to all other principals than those with a grant, also to nodes and administrators whose own policies permit them. For a repository of checkpoints only.",
  ),
  kmsKeyArn: described(derived(arn, "the AWS managed key of ECR"), "KMS key that encrypts the layers."),
  forceDelete: described(
    v.optional(v.boolean(), false),
    "Whether `terraform destroy` deletes the repository with all images in it. Otherwise it fails while there are images.",
  ),
};

const existingRepository = {
  existingUrl: described(
    pattern(
      /^\d{12}\.dkr\.ecr(-fips)?\.(cn-[a-z0-9-]+\.amazonaws\.com\.cn|(?!cn-)[a-z0-9-]+\.amazonaws\.com)\/[a-z0-9._/-]+$/,
      {
        code: "invalid-ecr-url",
        message: "is not the URL of an ECR repository",
        allowed:
          "<account>.dkr.ecr.<region>.amazonaws.com/<repository>, in China <account>.dkr.ecr.<region>.amazonaws.com.cn/<repository>",
      },
    ),
    "URL of an existing repository. It is not changed.",
  ),
  perNamespace: described(
    v.optional(v.boolean(), false),
    "Whether grants apply to the existing repositories <repository>/<namespace> too. In cedana.yaml, engine.repositoryPerNamespace sets it.",
  ),
};

/** Describes a new ECR repository for images or checkpoint artifacts, and the accounts with access to it. */
export const newRepositorySchema = titled(shape({ ...newRepository, ...access }), "a new repository");

/** Describes an existing ECR repository and the accounts with access to it. */
export const existingRepositorySchema = titled(
  shape({ ...existingRepository, ...access }),
  "an existing repository",
);

/** Describes the props of the construct. Its methods grant access. */
export const repositoryPropsSchema = shape(newRepository);

/** Describes the props of the construct for an existing repository. */
export const existingRepositoryPropsSchema = shape(existingRepository);

export const imageRepositorySchema = existingOrNew(
  "existingUrl",
  existingRepositorySchema,
  newRepositorySchema,
);

export interface NewRepositorySpec extends v.InferInput<typeof newRepositorySchema> {}
export interface ExistingRepositorySpec extends v.InferInput<typeof existingRepositorySchema> {}
export interface RepositoryPropsSpec extends v.InferInput<typeof repositoryPropsSchema> {}
export interface ExistingRepositoryPropsSpec extends v.InferInput<typeof existingRepositoryPropsSchema> {}
export type ImageRepositorySpec = NewRepositorySpec | ExistingRepositorySpec;
export type ResolvedRepositoryProps = v.InferOutput<typeof repositoryPropsSchema>;
export type ResolvedNewRepository = v.InferOutput<typeof newRepositorySchema>;
export type ResolvedExistingRepository = v.InferOutput<typeof existingRepositorySchema>;
export type ResolvedImageRepository = v.InferOutput<typeof imageRepositorySchema>;

/** Checks that at most one rule deletes images: ECR permits one rule for all images. */
export function checkExpiry({ keepLast, expireDays }: ExpirySpec): Problem[] {
  if (keepLast === undefined || expireDays === undefined) return [];
  return [
    {
      code: "excluded",
      path: ["keepLast"],
      message: "excludes expireDays: ECR has one rule for all images",
      given: String(keepLast),
      remedy: "remove one of the two",
    },
  ];
}

interface ExpirySpec {
  readonly keepLast?: number | undefined;
  readonly expireDays?: number | undefined;
}

/** Rejects a token as URL: the ARN in the IAM policies is derived from it during synthesis. */
export function checkExistingRepository(repository: { readonly existingUrl: string }): Problem[] {
  if (!isToken(repository.existingUrl)) return [];
  return [
    {
      code: "unresolved-token",
      path: ["existingUrl"],
      message: "is a Terraform token, but permissions are derived from its value",
      allowed: "a literal value",
      remedy: "create the repository with ImageRepository in the same stack, or write the URL as a literal",
    },
  ];
}
