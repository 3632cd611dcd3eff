import type { GateSettings } from "../../config/programs/controller";
import type { Index } from "../../kube";
import { Census, countOf } from "./census";
import {
  assess,
  installationOf,
  remember,
  remembering,
  track,
  type AgentPod,
  type AgentPresence,
  type Memory,
  type Situation,
} from "./rules";
import { daemonSetOf, type Sources } from "./sources";

/** The present state of nodes, from the cache and from what is remembered of each node. */
export class View {
  readonly census = new Census();
  private presences: readonly AgentPresence[] = [];
  private onceReady = false;
  private readonly memories = new Map<string, Memory>();
  private readonly podsOn: Index<AgentPod>;

  constructor(
    private readonly sources: Sources,
    private readonly settings: GateSettings,
  ) {
    this.podsOn = sources.pods.index(({ nodeName }) => [nodeName]);
  }

  /** Evaluates a node; undefined if there is none. */
  look(name: string): Situation | undefined {
    const { sources, settings } = this;
    const node = sources.nodes.get(name);
    if (!node) {
      this.memories.delete(name);
      this.census.count(name, undefined);
      return undefined;
    }
    const now = Date.now();
    this.presences = track(settings.agents, this.presences, (agent) => daemonSetOf(sources, agent), now);
    const assessment = assess(node, this.presences, this.podsOn(name), settings, now);
    const memory = remember(this.memories.get(name), node, assessment, settings, now);
    this.memories.set(name, memory);
    this.census.count(name, countOf({ node, assessment, memory, settings }));
    this.onceReady ||= memory.onceReady;
    const installation = installationOf(this.presences, this.onceReady, now);
    const braked = this.census.isStorm(settings);
    return { node, assessment, memory, installation, braked, settings, now };
  }

  /** Remembers a write of this process to a node. */
  did(name: string, what: Parameters<typeof remembering>[1]): void {
    const memory = this.memories.get(name);
    if (memory) this.memories.set(name, remembering(memory, what, Date.now()));
  }
}
