/** The ECR repository of images and of checkpoints kept as images. */
export {
  givenRepositorySchema,
  imageRepositorySchema,
  newRepositorySchema,
  type GivenRepositorySpec,
  type ImageRepositorySpec,
  type NewRepositorySpec,
  type ResolvedGivenRepository,
  type ResolvedImageRepository,
  type ResolvedNewRepository,
} from "./schema";
