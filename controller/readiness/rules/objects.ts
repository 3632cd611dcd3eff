import type { ObjectMetadata } from "../../../kube/client";
import type { Taint } from "./settings";

/** Our condition on a node. */
export interface NodeCondition {
  readonly status: "True" | "False";
  readonly reason: string;
  readonly message: string;
  /** RFC 3339. */
  readonly lastTransitionTime: string;
}

/** The fields of a Node in use. */
export interface GateNode {
  readonly metadata: ObjectMetadata;
  readonly createdMs: number;
  readonly deleting: boolean;
  /** Those of the selector, and karpenter.sh/initialized. */
  readonly labels: Readonly<Record<string, string>>;
  /** All of them, as observed: a write tests the list that it replaces. */
  readonly taints: readonly Taint[];
  readonly condition?: NodeCondition;
}

/** The fields of an agent's pod in use. */
export interface AgentPod {
  readonly metadata: ObjectMetadata;
  /** The node that it runs on, or the one that it was created for. */
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

/** The fields of an agent's DaemonSet in use. */
export interface AgentDaemonSet {
  readonly metadata: ObjectMetadata;
  /** The annotation of its pod template. */
  readonly hash?: string;
  readonly deleting: boolean;
}
