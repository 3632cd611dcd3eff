/** The S3 bucket of checkpoints. */
export {
  bucketName,
  checkpointStoreSchema,
  givenStorePropsSchema,
  givenStoreSchema,
  newStoreSchema,
  storePropsSchema,
  type CheckpointStoreSpec,
  type GivenStorePropsSpec,
  type GivenStoreSpec,
  type NewStoreSpec,
  type ResolvedCheckpointStore,
  type ResolvedGivenStore,
  type ResolvedNewStore,
  type ResolvedStoreProps,
  type StorePropsSpec,
} from "./schema";
