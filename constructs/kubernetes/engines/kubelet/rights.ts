import type { V1PolicyRule } from "@kubernetes/client-node";
import { AUTOMATION_GROUP, NODE_CHECKPOINT } from "../../../../api";

/** Cluster-wide permissions of the helper: checkpoints by the kubelet, which authorizes requests by the API server. */
export const HELPER_RULES: V1PolicyRule[] = [
  { apiGroups: [""], resources: ["nodes/checkpoint"], verbs: ["create"] },
];

/** Permissions of the helper in the namespace of the agents. */
export const HELPER_NAMESPACE_RULES: V1PolicyRule[] = [
  {
    apiGroups: [AUTOMATION_GROUP],
    resources: [NODE_CHECKPOINT.plural],
    verbs: ["get", "list", "watch"],
  },
  { apiGroups: [AUTOMATION_GROUP], resources: [`${NODE_CHECKPOINT.plural}/status`], verbs: ["patch"] },
];

/** Cluster-wide permissions of the health check: reading its Node. */
export const HEALTH_CHECK_RULES: V1PolicyRule[] = [{ apiGroups: [""], resources: ["nodes"], verbs: ["get"] }];

/** Permissions of the health check in the namespace of the agents. */
export const HEALTH_CHECK_NAMESPACE_RULES: V1PolicyRule[] = [
  { apiGroups: [""], resources: ["pods/status"], verbs: ["patch"] },
];
