import { isOlder } from "../../kube/runtime";
import { Census, countOf } from "./census";
import { daemonSetOf, podsOf, type Stores } from "./sources";
import {
  type AgentPresence,
  assess,
  type GateNode,
  installationOf,
  type Memory,
  remember,
  remembering,
  type Situation,
  track,
} from "./rules";
import { type GateSettings } from "../../config/programs/controller";

/**
 * How long an answer goes before a store with an older version. After a restore of etcd versions begin anew, lower; and a
 * write that stands on a stale store fails its test and reads the node again.
 */
const BELIEF_MS = 60_000;

/**
 * What is known of nodes now: what the stores say, what this process itself wrote or read later than that, and what is
 * remembered of before.
 */
export class View {
  readonly census = new Census();
  private presences: readonly AgentPresence[] = [];
  private onceReady = false;
  private readonly memories = new Map<string, Memory>();
  /** Nodes as answered by the API server, where the store lags behind, and until when that is believed. */
  private readonly newer = new Map<string, { readonly node: GateNode; readonly untilMs: number }>();

  constructor(
    private readonly stores: Stores,
    private readonly settings: GateSettings,
  ) {}

  names(): readonly string[] {
    return this.stores.nodes.list().map(({ metadata }) => metadata.name);
  }

  /** Looks at a node; undefined if there is none. */
  look(name: string): Situation | undefined {
    const node = this.nodeOf(name);
    if (!node) {
      this.memories.delete(name);
      this.census.count(name, undefined);
      return undefined;
    }
    const { stores, settings } = this;
    const now = Date.now();
    this.presences = track(settings.agents, this.presences, (agent) => daemonSetOf(stores, agent), now);
    const assessment = assess(node, this.presences, podsOf(stores, name), settings, now);
    const memory = remember(this.memories.get(name), node, assessment, settings, now);
    this.memories.set(name, memory);
    this.census.count(name, countOf({ node, assessment, memory, settings }));
    this.onceReady ||= memory.onceReady;
    const installation = installationOf(this.presences, this.onceReady, now);
    const braked = this.census.isStorm(settings);
    return { node, assessment, memory, installation, braked, settings, now };
  }

  /** Takes in a node as the API server answered it. */
  learn(node: GateNode): void {
    this.newer.set(node.metadata.name, { node, untilMs: Date.now() + BELIEF_MS });
  }

  /** Remembers what this process has done to a node. */
  did(name: string, what: Parameters<typeof remembering>[1]): void {
    const memory = this.memories.get(name);
    if (memory) this.memories.set(name, remembering(memory, what, Date.now()));
  }

  private nodeOf(name: string): GateNode | undefined {
    const stored = this.stores.nodes.get(name);
    const newer = this.newer.get(name);
    const lags =
      newer && stored && isOlder(stored.metadata.resourceVersion, newer.node.metadata.resourceVersion);
    if (lags && Date.now() < newer.untilMs) return newer.node;
    this.newer.delete(name);
    return stored;
  }
}
