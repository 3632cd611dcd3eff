/** Leader election: a Lease, and a transport that writes only while this process holds it. */
export { LeaderElector, type LeaderElectorOptions } from "./elector";
export { fenced, NotLeaderError, type Fence } from "./fenced";
