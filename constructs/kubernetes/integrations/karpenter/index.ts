export { NodePools, type NodePoolsProps, type PoolObjects } from "./node-pools";
