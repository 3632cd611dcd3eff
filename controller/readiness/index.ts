/** The readiness gate: keeps workloads off a node until the agents on it are Ready. */
import type { GateSettings } from "../../config/programs/controller";
import { controller, type Controller, type ControllerBuilder } from "../../kube";
import type { Runtime } from "../runtime";
import { DisruptionLimit } from "./disruption-limit";
import { measureChecks } from "./node-checks";
import { ConditionWriter, GateMetrics, TaintWriter, type TaintWritten } from "./writers";
import { CONTESTED, decideCondition, decideTaint, gateKinds, type NodeSnapshot } from "./rules";
import {
  NodeSnapshots,
  cacheSources,
  nodesOfDaemonSet,
  nodesOfNode,
  nodesOfPod,
  onAffectedNode,
} from "./sources";

/** Nodes whose taint is written concurrently. */
const WORKERS = 16;
/** Nodes whose condition is written concurrently. Few: taints have priority. */
const CONDITION_WORKERS = 2;
/** Delay of a condition that is not urgent, and time between two checks whether taints are written. */
const CONDITION_DELAY_MS = 1000;
/** Time until a change is retried that became due during the reconcile. */
const RETRY_MS = 1000;
/** Longest delay after failures: a taint must not wait for minutes after the API server is back. */
const MAX_DELAY_MS = 15_000;

export interface ReadinessGateOptions extends Runtime {
  readonly settings: GateSettings;
}

/**
 * Keeps the startup taint on nodes until all agents are Ready on them, and reports in a condition why a node is gated. It
 * evaluates the whole node each time, whichever change was the cause.
 */
export class ReadinessGate {
  readonly controllers: readonly Controller[];
  private readonly snapshots: NodeSnapshots;
  private readonly gateMetrics: GateMetrics;
  private readonly limit: DisruptionLimit;
  private readonly taints: TaintWriter;
  private readonly conditions: ConditionWriter;
  /** The last change that dry run has logged, by node. */
  private readonly logged = new Map<string, string>();

  constructor(private readonly options: ReadinessGateOptions) {
    const { settings, cache, client, events, log, metrics } = options;
    const kinds = gateKinds(settings);
    const sources = cacheSources(cache, kinds, settings);
    const { nodes, pods, daemonSets } = sources;
    this.snapshots = new NodeSnapshots(sources, settings);
    this.limit = new DisruptionLimit(this.snapshots.stats, settings, events, log);
    this.gateMetrics = new GateMetrics(metrics, this.snapshots.stats, this.limit);
    measureChecks(pods, metrics);
    this.taints = new TaintWriter(client, this.snapshots, kinds, settings, this.gateMetrics);
    this.conditions = new ConditionWriter(client, this.snapshots, kinds, events);
    // On every replica: the history of nodes is known when this one starts to lead.
    onAffectedNode(sources, (name) => this.snapshots.get(name));

    const build = (name: string, workers: number) =>
      controller(name, { log, metrics, workers, maxDelayMs: MAX_DELAY_MS });
    const taints = build("readiness", WORKERS);
    const conditions = build("readiness-conditions", CONDITION_WORKERS);
    this.controllers = [
      taints
        .for(nodes, { when: (change) => nodesOfNode(change).length > 0 })
        .watches(pods, (change) => nodesOfPod(nodes, change))
        .watches(daemonSets, (change) => nodesOfDaemonSet(nodes, change))
        .reconcile((name, signal) => this.reconcile(name, conditions, signal), {
          // All are counted before the first is reconciled: the disruption limit depends on all.
          start: () => nodes.list().forEach(({ metadata }) => this.snapshots.get(metadata.name)),
        }),
      conditions.needs(nodes, pods, daemonSets).reconcile(async (name, signal) => {
        const later = settings.owner === "controller" && taints.queue.length > 0;
        if (!later) await this.conditions.write(name, signal);
        return later ? { requeueAfterMs: CONDITION_DELAY_MS } : undefined;
      }),
    ];
  }

  private async reconcile(name: string, conditions: ControllerBuilder, signal: AbortSignal) {
    if (this.options.settings.dryRun) return this.logOnly(name);
    const written = await this.taints.write(name, signal);
    if (written) this.report(name, written);
    const snapshot = this.snapshots.get(name);
    if (!snapshot) return undefined;
    const taint = decideTaint(snapshot);
    const condition = decideCondition(snapshot);
    if (taint.limited) this.limit.report(snapshot.node);
    if (condition.change) conditions.queue.addAfter(name, condition.urgent ? 0 : CONDITION_DELAY_MS);
    // The change became due after the write, or the cache does not have the deletion of the node yet.
    const dueAtMs = taint.change && snapshot.now + RETRY_MS;
    return recheck(snapshot, dueAtMs, taint.recheckAtMs, condition.recheckAtMs);
  }

  /** Logs each change once instead of writing it. */
  private logOnly(name: string) {
    const snapshot = this.snapshots.get(name);
    if (!snapshot) {
      this.logged.delete(name);
      return undefined;
    }
    const { change, recheckAtMs } = decideTaint(snapshot);
    const text = change && `${change.operation} ${change.cause}`;
    if (text !== this.logged.get(name)) {
      if (change) {
        this.options.log.info({ node: name, ...change }, "dry run: the taint would be changed");
        this.gateMetrics.operation(change.operation, "dryRun");
      }
      if (text === undefined) this.logged.delete(name);
      else this.logged.set(name, text);
    }
    return recheck(snapshot, recheckAtMs);
  }

  private report(name: string, { operation, cause, node, removals }: TaintWritten): void {
    const { log, events } = this.options;
    log.info({ node: name, operation, cause }, "taint changed");
    const regarding = { apiVersion: "v1", kind: "Node", name, uid: node.metadata.uid };
    if (cause === "Uninstalled") {
      events.record({
        regarding,
        type: "Warning",
        reason: "AgentsUninstalled",
        action: "OpenGate",
        note: "The agents' DaemonSets were deleted: the taint was removed.",
      });
    }
    if (removals >= CONTESTED) {
      log.warn({ node: name, removals }, "another client keeps adding the taint");
      events.record({
        regarding,
        type: "Warning",
        reason: "TaintContested",
        action: "OpenGate",
        note: `Another client added the taint ${removals} times within a minute.`,
      });
    }
  }
}

function recheck({ assessment, installation, now }: NodeSnapshot, ...others: (number | undefined)[]) {
  const times = [
    ...others,
    assessment.gated ? assessment.recheckAtMs : undefined,
    installation.state === "uninstalling" ? installation.uninstalledAtMs : undefined,
  ].filter((time) => time !== undefined);
  return times.length === 0 ? undefined : { requeueAfterMs: Math.max(1, Math.min(...times) - now) };
}
