/** User data of nodes: MIME parts with NodeConfig and scripts. */
export { type MimeDocument, type MimePart, NODE_CONFIG_TYPE, SHELL_TYPE, readMime, writeMime } from "./mime";
export {
  type Bootstrap,
  KARPENTER_KUBELET_FIELDS,
  nodeLabels,
  renderNodeConfig,
  userDataParts,
} from "./user-data";
export { USER_DATA_MAX_BYTES, checkUserData, renderUserData, type UserDataSettings } from "./check";
