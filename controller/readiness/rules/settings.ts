export type { AgentSettings, GateSettings } from "../../../config/programs/controller";

/** A taint in the words of the Kubernetes API. */
export interface Taint {
  readonly key: string;
  readonly value?: string;
  readonly effect: string;
  /** RFC 3339; only on taints of effect NoExecute. */
  readonly timeAdded?: string;
}

/** Type of the Node condition that tells whether the agents are Ready. */
export const CONDITION_TYPE = "CedanaReady";

/** Karpenter sets it to "true" once all startup taints of a node are gone, and never looks at them again. */
export const KARPENTER_INITIALIZED = "karpenter.sh/initialized";

/** Taint of a node that Karpenter has not given its labels yet. */
export const KARPENTER_UNREGISTERED = "karpenter.sh/unregistered";

/** Time before a taint on a node that the selector does not match counts as forgotten. Labels may come late. */
export const ORPHAN_GRACE_MS = 60_000;

/** Time before deleted DaemonSets count as uninstalled. A re-install deletes and makes them in seconds. */
export const UNINSTALL_GRACE_MS = 60_000;

/**
 * Time after which a pod that has been Ready since before its node was registered is believed. A pod of a machine that is
 * gone loses Ready before that: its kubelet corrects it at its first report, and without one the node lifecycle
 * controller does after `--node-monitor-grace-period` (50 s by default).
 */
export const PREDECESSOR_GRACE_MS = 120_000;

/** Shortest time between two messages of a node's condition. */
export const MESSAGE_INTERVAL_MS = 60_000;
