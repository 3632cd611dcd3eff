import type { ObjectMetadata } from "../../../kube/runtime/objects";
import type { Taint } from "./settings";

/** Our condition, as it stands on a node. */
export interface NodeCondition {
  readonly status: "True" | "False";
  readonly reason: string;
  readonly message: string;
  /** RFC 3339. */
  readonly lastTransitionTime: string;
}

/** What is kept of a Node. */
export interface GateNode {
  readonly metadata: ObjectMetadata;
  readonly createdMs: number;
  readonly deleting: boolean;
  /** Those of the selector, and karpenter.sh/initialized. */
  readonly labels: Readonly<Record<string, string>>;
  /** All of them, as observed: a write names the list it replaces. */
  readonly taints: readonly Taint[];
  readonly condition?: NodeCondition;
}

/** What is kept of a pod of an agent. */
export interface AgentPod {
  readonly metadata: ObjectMetadata;
  /** The node it runs on, or the one it was made for. */
  readonly nodeName: string;
  readonly createdMs: number;
  /** UID of the controller that owns it. */
  readonly ownerUid?: string;
  /** Value of the annotation that changes with the configuration. */
  readonly hash?: string;
  readonly ready: boolean;
  /** Since when it is Ready, or not, by its kubelet's clock. */
  readonly readySinceMs: number;
  readonly deleting: boolean;
  /** Why it is not Ready, in words; for people. */
  readonly trouble?: string;
}

/** What is kept of a DaemonSet of an agent. */
export interface AgentDaemonSet {
  readonly metadata: ObjectMetadata;
  /** The annotation of its pod template. */
  readonly hash?: string;
  readonly deleting: boolean;
}
