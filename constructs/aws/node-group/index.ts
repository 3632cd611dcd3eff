export { NodeGroup, type NodeGroupProps } from "./node-group";
export { NodeRole, type NodeRoleProps } from "./role";
