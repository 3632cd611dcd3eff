/** The ECR repository of images and of checkpoints kept as images. */
export {
  givenRepositoryPropsSchema,
  givenRepositorySchema,
  imageRepositorySchema,
  newRepositorySchema,
  repositoryPropsSchema,
  type GivenRepositoryPropsSpec,
  type GivenRepositorySpec,
  type ImageRepositorySpec,
  type NewRepositorySpec,
  type ResolvedGivenRepository,
  type ResolvedImageRepository,
  type RepositoryPropsSpec,
  type ResolvedNewRepository,
} from "./schema";
export { checkGivenRepository } from "./check";
