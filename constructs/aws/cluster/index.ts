export { ClusterAccess } from "./access";
export { Cluster, type ClusterProps } from "./cluster";
export { ExistingCluster } from "./existing";
export { ClusterRole, CniRole } from "./roles";
export type { ICluster } from "./types";
