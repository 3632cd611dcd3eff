import type { KubernetesClient } from "../../kube/client";
import {
  runWorkers,
  WorkQueue,
  type Events,
  type Logger,
  type Metrics,
  type Part,
  type PartReflector,
  type Reconcile,
} from "../../kube/runtime";
import { Brake } from "./brake";
import { ConditionWriter } from "./condition-writer";
import { GateMetrics } from "./metrics";
import { createReflectors, createStores } from "./sources";
import { TaintWriter, type TaintWritten } from "./taint-writer";
import { Triggers } from "./triggers";
import { View } from "./view";
import { CONTESTED, decideCondition, decideTaint, type Situation } from "./rules";
import { type GateSettings } from "../../config/programs/controller";

/** Nodes whose taint is written at once. */
const WORKERS = 16;
/** Nodes whose condition is written at once. Few: taints go first. */
const CONDITION_WORKERS = 2;
/** Time before a condition is written that nobody waits for, and between two looks whether taints are through. */
const CONDITION_DELAY_MS = 1000;
/** Time until a change is tried that was not due yet when it was looked at first. */
const AGAIN_MS = 1000;
/** Longest delay after failures: a taint must not wait for minutes after the API server is back. */
const MAX_DELAY_MS = 15_000;

export interface ReadinessGateOptions {
  readonly settings: GateSettings;
  /** Writes only while this process leads. */
  readonly client: KubernetesClient;
  readonly events: Events;
  readonly log: Logger;
  readonly metrics: Metrics;
}

/**
 * Keeps the startup taint on nodes until all agents are Ready on them, and says in a condition why a node waits. Looks at
 * the whole of a node each time, so it does not matter which change was the cause, or whether one was missed.
 */
export class ReadinessGate implements Part {
  readonly name = "readiness";
  readonly reflectors: readonly PartReflector[];
  private readonly view: View;
  private readonly triggers: Triggers;
  private readonly gateMetrics: GateMetrics;
  private readonly brake: Brake;
  private readonly taints: TaintWriter;
  private readonly conditions: ConditionWriter;
  /** What dry run has said of a node. */
  private readonly said = new Map<string, string>();

  constructor(private readonly options: ReadinessGateOptions) {
    const { settings, client, events, log, metrics } = options;
    const stores = createStores(settings);
    this.reflectors = createReflectors(stores, settings, { client, log, metrics });
    this.view = new View(stores, settings);
    this.brake = new Brake(this.view.census, settings, events, log);
    this.gateMetrics = new GateMetrics(metrics, this.view.census, () => this.brake.holds);
    this.taints = new TaintWriter(client, this.view, settings, this.gateMetrics);
    this.conditions = new ConditionWriter(client, this.view, settings, events);
    // Seen on every replica: what is remembered of nodes is there when this one comes to lead.
    this.triggers = new Triggers(stores, (name) => this.view.look(name));
  }

  async lead(signal: AbortSignal): Promise<void> {
    const { log, metrics } = this.options;
    const queues = {
      taints: new WorkQueue({ name: "readiness", metrics, maxDelayMs: MAX_DELAY_MS }),
      conditions: new WorkQueue({ name: "readiness-conditions", metrics, maxDelayMs: MAX_DELAY_MS }),
    };
    this.triggers.lead(queues.taints);
    const run = (name: string, queue: WorkQueue, workers: number, reconcile: Reconcile) =>
      runWorkers({ name, queue, workers, reconcile, signal, log, metrics });
    await Promise.all([
      run("readiness", queues.taints, WORKERS, (name, stop) => this.reconcile(name, queues.conditions, stop)),
      run("readiness-conditions", queues.conditions, CONDITION_WORKERS, async (name, stop) => {
        const later = this.options.settings.owner === "controller" && queues.taints.length > 0;
        if (!later) await this.conditions.write(name, stop);
        return later ? { requeueAfterMs: CONDITION_DELAY_MS } : undefined;
      }),
    ]);
  }

  private async reconcile(name: string, conditions: WorkQueue, signal: AbortSignal) {
    if (this.options.settings.dryRun) return this.rehearse(name);
    const written = await this.taints.write(name, signal);
    if (written) this.tell(name, written);
    const situation = this.view.look(name);
    if (!situation) return undefined;
    const taint = decideTaint(situation);
    const condition = decideCondition(situation);
    if (taint.held) this.brake.hold(situation.node);
    if (condition.change) conditions.addAfter(name, condition.prompt ? 0 : CONDITION_DELAY_MS);
    // It came due between the two looks, or the node is gone and the store does not know yet.
    const dueAtMs = taint.change && situation.now + AGAIN_MS;
    return recheck(situation, dueAtMs, taint.recheckAtMs, condition.recheckAtMs);
  }

  /** Says once what would be done. */
  private rehearse(name: string) {
    const situation = this.view.look(name);
    if (!situation) {
      this.said.delete(name);
      return undefined;
    }
    const { change, recheckAtMs } = decideTaint(situation);
    const text = change && `${change.operation} ${change.cause}`;
    if (text !== this.said.get(name)) {
      if (change) {
        this.options.log.info({ node: name, ...change }, "dry run: the taint would be changed");
        this.gateMetrics.operation(change.operation, "dryRun");
      }
      if (text === undefined) this.said.delete(name);
      else this.said.set(name, text);
    }
    return recheck(situation, recheckAtMs);
  }

  private tell(name: string, { operation, cause, node, removals }: TaintWritten): void {
    const { log, events } = this.options;
    log.info({ node: name, operation, cause }, "taint changed");
    const regarding = { apiVersion: "v1", kind: "Node", name, uid: node.metadata.uid };
    if (cause === "Uninstalled") {
      events.record({
        regarding,
        type: "Warning",
        reason: "AgentsUninstalled",
        action: "OpenGate",
        note: "The agents' DaemonSets were deleted: the taint is taken away, and workloads may come.",
      });
    }
    if (removals >= CONTESTED) {
      log.warn({ node: name, removals }, "something keeps putting the taint back");
      events.record({
        regarding,
        type: "Warning",
        reason: "TaintContested",
        action: "OpenGate",
        note: `Something put the taint back ${removals} times within a minute. Only one program may hold it.`,
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
