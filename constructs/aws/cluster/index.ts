export { ClusterAccess, ClusterRole, CniRole } from "./roles";
export { Cluster, type ClusterProps } from "./cluster";
export { ExistingCluster, type ICluster } from "./existing";
