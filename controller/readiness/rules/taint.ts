import type { JsonPatchOperation } from "../../../kube/client";
import type { GateSettings } from "../../../config/programs/controller";
import { CONTESTED, type NodeHistory, type NodeSnapshot } from "./history";
import { hasOurs, isOurs, isUnregistered, KARPENTER_INITIALIZED, type GateNode } from "./objects";

/** Time before a taint on a node that the selector does not match counts as orphaned. Labels may be set late. */
export const ORPHAN_GRACE_MS = 60_000;

/** Why the taint is changed. */
export type Cause = "Ready" | "Orphaned" | "Uninstalled" | "FailedOpen" | "AgentLost";

export interface TaintDecision {
  readonly change?: { readonly operation: "add" | "remove"; readonly cause: Cause };
  /** The disruption limit prevents the taint. */
  readonly limited?: true;
  /** When to evaluate the node again without a change. */
  readonly recheckAtMs?: number;
}

/** Interval of evaluations while the disruption limit prevents a taint. */
const LIMIT_RECHECK_MS = 15_000;

/** Interval of removals of a taint that another client keeps adding. */
const CONTESTED_INTERVAL_MS = 10_000;

/** Decides whether our taint is added or removed. */
export function decideTaint(snapshot: NodeSnapshot): TaintDecision {
  const { node, assessment, history, installation, settings, now } = snapshot;
  if (settings.owner !== "controller" || node.deleting) return {};
  const tainted = hasOurs(node, settings.taint);
  if (!assessment.gated) {
    if (!tainted || isUnregistered(node)) return {};
    return removeAt((history.orphanSinceMs ?? now) + ORPHAN_GRACE_MS, "Orphaned", now);
  }
  if (!tainted) return retaint(snapshot);
  if (installation.state === "uninstalled") return removeAt(now, "Uninstalled", now);
  if (assessment.ready) return removeAt(contestedUntil(history) ?? now, "Ready", now);
  if (settings.failOpenAfterSeconds === undefined) return {};
  const since = Math.max(node.createdMs, history.taintedSinceMs ?? now);
  return removeAt(since + settings.failOpenAfterSeconds * 1000, "FailedOpen", now);
}

function contestedUntil({ removedAtMs }: NodeHistory): number | undefined {
  const last = removedAtMs.at(-1);
  return removedAtMs.length < CONTESTED || last === undefined ? undefined : last + CONTESTED_INTERVAL_MS;
}

function removeAt(atMs: number, cause: Cause, now: number): TaintDecision {
  return now < atMs ? { recheckAtMs: atMs } : { change: { operation: "remove", cause } };
}

/** Adds the taint again only if an agent that was Ready on the node is lost and still installed. */
function retaint(snapshot: NodeSnapshot): TaintDecision {
  const { node, assessment, history, installation, tooManyUnready, settings, now } = snapshot;
  if (!settings.retaint || installation.state !== "installed") return {};
  if (assessment.serving || history.lostSinceMs === undefined || history.failedOpen) return {};
  // Karpenter treats a startup taint on an initialized node as permanent, and would start other nodes.
  if (node.labels[KARPENTER_INITIALIZED] === "true") return {};
  const dueAtMs = history.lostSinceMs + settings.retaint.holdOffSeconds * 1000;
  if (now < dueAtMs) return { recheckAtMs: dueAtMs };
  if (tooManyUnready) return { limited: true, recheckAtMs: now + LIMIT_RECHECK_MS };
  return { change: { operation: "add", cause: "AgentLost" } };
}

/**
 * Returns a JSON patch that adds our taint to a node or removes it, and fails if the node is another one or its taints are
 * not those observed. Undefined if there is nothing to do.
 */
export function taintPatch(node: GateNode, change: "add" | "remove", ours: GateSettings["taint"]) {
  const { uid, resourceVersion } = node.metadata;
  const sameNode: JsonPatchOperation = { op: "test", path: "/metadata/uid", value: uid };
  const path = "/spec/taints";
  if (change === "add") {
    if (hasOurs(node, ours)) return undefined;
    const taint = ours.value === "" ? { key: ours.key, effect: ours.effect } : ours;
    // A missing list cannot be tested; then the node as a whole must be the one observed.
    const [unchanged, op]: [JsonPatchOperation, "add" | "replace"] =
      node.taints.length === 0
        ? [{ op: "test", path: "/metadata/resourceVersion", value: resourceVersion }, "add"]
        : [{ op: "test", path, value: node.taints }, "replace"];
    return [sameNode, unchanged, { op, path, value: [...node.taints, taint] }] as const;
  }
  const rest = node.taints.filter((taint) => !isOurs(taint, ours));
  if (rest.length === node.taints.length) return undefined;
  const unchanged: JsonPatchOperation = { op: "test", path, value: node.taints };
  const removed: JsonPatchOperation =
    rest.length === 0 ? { op: "remove", path } : { op: "replace", path, value: rest };
  return [sameNode, unchanged, removed] as const;
}
