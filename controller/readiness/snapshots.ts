import type { GateSettings } from "../../config/programs/controller";
import type { Index } from "../../kube";
import { classify, NodeStats } from "./disruption-limit";
import {
  assess,
  installationOf,
  updateHistory,
  updatePresences,
  withWrite,
  type AgentPod,
  type AgentPresence,
  type NodeHistory,
  type NodeSnapshot,
} from "./rules";
import { daemonSetOf, type Sources } from "./sources";

/** The current state of nodes, from the cache and the history of each node. */
export class NodeSnapshots {
  readonly stats = new NodeStats();
  private presences: readonly AgentPresence[] = [];
  private onceReady = false;
  private readonly histories = new Map<string, NodeHistory>();
  private readonly podsOn: Index<AgentPod>;

  constructor(
    private readonly sources: Sources,
    private readonly settings: GateSettings,
  ) {
    this.podsOn = sources.pods.index(({ nodeName }) => [nodeName]);
  }

  /** Evaluates a node and updates its history and the statistics. @returns undefined if it does not exist */
  get(name: string): NodeSnapshot | undefined {
    const { sources, settings } = this;
    const node = sources.nodes.get(name);
    if (!node) {
      this.histories.delete(name);
      this.stats.update(name, undefined);
      return undefined;
    }
    const now = Date.now();
    this.presences = updatePresences(
      settings.agents,
      this.presences,
      (agent) => daemonSetOf(sources, agent),
      now,
    );
    const assessment = assess(node, this.presences, this.podsOn(name), settings, now);
    const history = updateHistory(this.histories.get(name), node, assessment, settings, now);
    this.histories.set(name, history);
    this.stats.update(name, classify({ node, assessment, history, settings }));
    this.onceReady ||= history.onceReady;
    const installation = installationOf(this.presences, this.onceReady, now);
    const tooManyUnready = this.stats.isTooManyUnready(settings);
    return { node, assessment, history, installation, tooManyUnready, settings, now };
  }

  /** Adds a write of this process to the history of a node. */
  recordWrite(name: string, write: Parameters<typeof withWrite>[1]): void {
    const history = this.histories.get(name);
    if (history) this.histories.set(name, withWrite(history, write, Date.now()));
  }
}
