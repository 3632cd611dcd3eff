import * as v from "valibot";
import { givenOrNew } from "../schema/existing-or-new";
import { serviceAccounts } from "../pod-identity";
import { arn, described, integer, pattern, shape } from "../schema";

const NAME = "[a-z0-9]+((\\.|_|__|-+)[a-z0-9]+)*";

const repositoryName = pattern(new RegExp(`^(?=.{2,256}$)${NAME}(/${NAME})*$`), {
  code: "not-a-repository-name",
  message: "is not a name that ECR allows",
  allowed:
    "2 to 256 lower-case letters, digits, ., _, - and /, each part beginning and ending with a letter or digit",
});

const access = {
  writers: serviceAccounts(
    "ServiceAccounts that may push, pull and delete images, by EKS Pod Identity: whatever turns checkpoints into images.",
  ),
  pushers: serviceAccounts(
    "ServiceAccounts that may push images, but neither read nor delete what is in them. cedana.yaml adds the agent of the engine kubelet by itself.",
  ),
  checkers: serviceAccounts(
    "ServiceAccounts that may log in and ask whether a layer is there. cedana.yaml adds the health check of the engine kubelet by itself.",
  ),
};

const newRepository = {
  name: described(repositoryName, "Name of the repository."),
  keepLast: described(
    v.optional(integer(1, 100_000), 100),
    "How many images are kept. Older ones are deleted, tagged or not.",
  ),
  scanOnPush: described(
    v.optional(v.boolean(), true),
    "Whether ECR looks for known vulnerabilities in each pushed image.",
  ),
  kmsKeyArn: described(v.optional(arn), "KMS key of the layers. Left out, AWS's own key for ECR is used."),
  forceDelete: described(
    v.optional(v.boolean(), false),
    "Whether `terraform destroy` deletes the repository with all images in it. Otherwise it refuses.",
  ),
};

const givenRepository = {
  existingUrl: described(
    pattern(/^\d{12}\.dkr\.ecr(-fips)?\.[a-z0-9-]+\.amazonaws\.com(\.cn)?\/[a-z0-9._/-]+$/, {
      code: "not-an-ecr-url",
      message: "is not the URL of an ECR repository",
      allowed: "<account>.dkr.ecr.<region>.amazonaws.com/<repository>",
    }),
    "URL of a repository that exists. Nothing about it is changed.",
  ),
};

/** An ECR repository, for images or for checkpoints kept as images, and who may use it. */
export const newRepositorySchema = shape({ ...newRepository, ...access });

/** A repository that exists already, and who may use it. */
export const givenRepositorySchema = shape({ ...givenRepository, ...access });

/** The construct's own input: access is granted by its methods. */
export const repositoryPropsSchema = shape(newRepository);

/** The same for a repository that exists. */
export const givenRepositoryPropsSchema = shape(givenRepository);

export const imageRepositorySchema = givenOrNew("existingUrl", givenRepositorySchema, newRepositorySchema);

export interface NewRepositorySpec extends v.InferInput<typeof newRepositorySchema> {}
export interface GivenRepositorySpec extends v.InferInput<typeof givenRepositorySchema> {}
export interface RepositoryPropsSpec extends v.InferInput<typeof repositoryPropsSchema> {}
export interface GivenRepositoryPropsSpec extends v.InferInput<typeof givenRepositoryPropsSchema> {}
export type ImageRepositorySpec = NewRepositorySpec | GivenRepositorySpec;
export type ResolvedNewRepository = v.InferOutput<typeof newRepositorySchema>;
export type ResolvedGivenRepository = v.InferOutput<typeof givenRepositorySchema>;
export type ResolvedImageRepository = v.InferOutput<typeof imageRepositorySchema>;
