/** User data of nodes: MIME parts with NodeConfig and scripts. */
export { type MimeDocument, type MimePart, NODE_CONFIG_TYPE, SHELL_TYPE, readMime, writeMime } from "./mime";
export {
  type Bootstrap,
  KARPENTER_KUBELET_FIELDS,
  USER_DATA_MAX_BYTES,
  nodeLabels,
  renderNodeConfig,
  renderUserData,
  userDataParts,
} from "./user-data";
