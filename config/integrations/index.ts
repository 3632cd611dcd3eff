export { type KueueSpec, type ResolvedKueue, checkKueue, kueueSchema } from "./kueue";
