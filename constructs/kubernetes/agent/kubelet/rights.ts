import type { V1PolicyRule } from "@kubernetes/client-node";
import { AUTOMATION_GROUP, NODE_CHECKPOINT } from "../../../../api";

/** What the helper does in the whole cluster: it asks its kubelet for checkpoints. Kubelets ask the API server who may. */
export const HELPER_RULES: V1PolicyRule[] = [
  { apiGroups: [""], resources: ["nodes/checkpoint"], verbs: ["create"] },
];

/** What the helper does in the namespace of the agents. */
export const HELPER_NAMESPACE_RULES: V1PolicyRule[] = [
  {
    apiGroups: [AUTOMATION_GROUP],
    resources: [NODE_CHECKPOINT.plural],
    verbs: ["get", "list", "watch"],
  },
  { apiGroups: [AUTOMATION_GROUP], resources: [`${NODE_CHECKPOINT.plural}/status`], verbs: ["patch"] },
];

/** What the health check does in the whole cluster: it reads what its node says of itself. */
export const HEALTH_CHECK_RULES: V1PolicyRule[] = [{ apiGroups: [""], resources: ["nodes"], verbs: ["get"] }];

/** What the health check does in the namespace of the agents. */
export const HEALTH_CHECK_NAMESPACE_RULES: V1PolicyRule[] = [
  { apiGroups: [""], resources: ["pods/status"], verbs: ["patch"] },
];
