/** The S3 bucket of checkpoints. */
export {
  bucketName,
  checkpointStoreSchema,
  givenStoreSchema,
  newStoreSchema,
  type CheckpointStoreSpec,
  type GivenStoreSpec,
  type NewStoreSpec,
  type ResolvedCheckpointStore,
  type ResolvedGivenStore,
  type ResolvedNewStore,
} from "./schema";
