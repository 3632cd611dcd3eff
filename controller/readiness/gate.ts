import type { GateSettings } from "../../config/programs/controller";
import { controller, type Controller, type ControllerBuilder } from "../../kube";
import type { Runtime } from "../runtime";
import { Brake } from "./brake";
import { ConditionWriter } from "./condition-writer";
import { GateMetrics } from "./metrics";
import { CONTESTED, decideCondition, decideTaint, gateKinds, type Situation } from "./rules";
import { cacheSources } from "./sources";
import { TaintWriter, type TaintWritten } from "./taint-writer";
import { nodesOfDaemonSet, nodesOfNode, nodesOfPod, onAffectedNode } from "./triggers";
import { View } from "./view";

/** Nodes whose taint is written at once. */
const WORKERS = 16;
/** Nodes whose condition is written at once. Few: taints have priority. */
const CONDITION_WORKERS = 2;
/** Delay of a condition that is not urgent, and time between two checks whether taints are written. */
const CONDITION_DELAY_MS = 1000;
/** Time until a change is retried that became due during the reconcile. */
const AGAIN_MS = 1000;
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
  private readonly view: View;
  private readonly gateMetrics: GateMetrics;
  private readonly brake: Brake;
  private readonly taints: TaintWriter;
  private readonly conditions: ConditionWriter;
  /** The last change that dry run has logged, by node. */
  private readonly logged = new Map<string, string>();

  constructor(private readonly options: ReadinessGateOptions) {
    const { settings, cache, client, events, log, metrics } = options;
    const kinds = gateKinds(settings);
    const sources = cacheSources(cache, kinds, settings);
    const { nodes, pods, daemonSets } = sources;
    this.view = new View(sources, settings);
    this.brake = new Brake(this.view.census, settings, events, log);
    this.gateMetrics = new GateMetrics(metrics, this.view.census, () => this.brake.holds);
    this.taints = new TaintWriter(client, this.view, kinds, settings, this.gateMetrics);
    this.conditions = new ConditionWriter(client, this.view, kinds, events);
    // On every replica: what is remembered of nodes is known when this one starts to lead.
    onAffectedNode(sources, (name) => this.view.look(name));

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
          // All are counted before the first is reconciled: the storm brake depends on all.
          start: () => nodes.list().forEach(({ metadata }) => this.view.look(metadata.name)),
        }),
      conditions.needs(nodes, pods, daemonSets).reconcile(async (name, signal) => {
        const later = settings.owner === "controller" && taints.queue.length > 0;
        if (!later) await this.conditions.write(name, signal);
        return later ? { requeueAfterMs: CONDITION_DELAY_MS } : undefined;
      }),
    ];
  }

  private async reconcile(name: string, conditions: ControllerBuilder, signal: AbortSignal) {
    if (this.options.settings.dryRun) return this.rehearse(name);
    const written = await this.taints.write(name, signal);
    if (written) this.report(name, written);
    const situation = this.view.look(name);
    if (!situation) return undefined;
    const taint = decideTaint(situation);
    const condition = decideCondition(situation);
    if (taint.held) this.brake.hold(situation.node);
    if (condition.change) conditions.queue.addAfter(name, condition.prompt ? 0 : CONDITION_DELAY_MS);
    // It became due after the write, or the node was deleted and the cache does not know yet.
    const dueAtMs = taint.change && situation.now + AGAIN_MS;
    return recheck(situation, dueAtMs, taint.recheckAtMs, condition.recheckAtMs);
  }

  /** Logs once what would be done. */
  private rehearse(name: string) {
    const situation = this.view.look(name);
    if (!situation) {
      this.logged.delete(name);
      return undefined;
    }
    const { change, recheckAtMs } = decideTaint(situation);
    const text = change && `${change.operation} ${change.cause}`;
    if (text !== this.logged.get(name)) {
      if (change) {
        this.options.log.info({ node: name, ...change }, "dry run: the taint would be changed");
        this.gateMetrics.operation(change.operation, "dryRun");
      }
      if (text === undefined) this.logged.delete(name);
      else this.logged.set(name, text);
    }
    return recheck(situation, recheckAtMs);
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
        note: "The agents' DaemonSets were deleted: the taint is removed, and workloads may be scheduled.",
      });
    }
    if (removals >= CONTESTED) {
      log.warn({ node: name, removals }, "another client keeps adding the taint");
      events.record({
        regarding,
        type: "Warning",
        reason: "TaintContested",
        action: "OpenGate",
        note: `Another client added the taint ${removals} times within a minute. Only one program may own it.`,
      });
    }
  }
}

function recheck({ assessment, installation, now }: Situation, ...others: (number | undefined)[]) {
  const times = [
    ...others,
    assessment.gated ? assessment.recheckAtMs : undefined,
    installation.state === "leaving" ? installation.uninstalledAtMs : undefined,
  ].filter((time) => time !== undefined);
  return times.length === 0 ? undefined : { requeueAfterMs: Math.max(1, Math.min(...times) - now) };
}
