/** A taint in the words of the Kubernetes API. */
export interface Taint {
  readonly key: string;
  readonly value?: string;
  readonly effect: string;
  /** RFC 3339; only on taints of effect NoExecute. */
  readonly timeAdded?: string;
}

/** A DaemonSet whose pod must be Ready on a node before workloads may come. */
export interface AgentReference {
  /** Short name for messages: helper, health-check. */
  readonly name: string;
  readonly namespace: string;
  readonly daemonSet: string;
}

/** What the gate is told. Times are in seconds, as in the file they come from. */
export interface GateSettings {
  /** Who holds the taint. With nodeReadinessRule the gate keeps the Node condition only. */
  readonly owner: "controller" | "nodeReadinessRule";
  readonly taint: { readonly key: string; readonly value: string; readonly effect: string };
  /** Labels of the nodes that are gated. */
  readonly nodeSelector: Readonly<Record<string, string>>;
  readonly agents: readonly AgentReference[];
  /** Labels of the agents' pods and DaemonSets. */
  readonly podSelector: Readonly<Record<string, string>>;
  /** Annotation of the pod template that changes with the configuration. */
  readonly hashAnnotation: string;
  /** Whether a node gets the taint back when it loses an agent, after how long, and the share of nodes at which none does. */
  readonly retaint: false | { readonly holdOffSeconds: number; readonly maxUnreadyPercent: number };
  /** After this time the taint is taken away even if the agents are not Ready. Default: never. */
  readonly failOpenAfterSeconds?: number | undefined;
  /** A wait that lasts longer is told by condition and event. */
  readonly explainAfterSeconds: number;
  /** Nothing is written; log and metrics say what would be. */
  readonly dryRun: boolean;
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
