export { dynamoWatcherSchema } from "./dynamo-watcher";
export { type KueueSpec, type ResolvedKueue, checkKueue, kueueSchema } from "./kueue";
