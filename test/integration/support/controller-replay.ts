import type { Gate } from "./controller-gate";
import {
  AGENTS,
  GATE,
  HASH,
  agentOf,
  hasTaint,
  isReady,
  isWorkload,
  type Agent,
  type DaemonSet,
  type Node,
  type Pod,
} from "./controller-objects";
import type { Change } from "./controller-watch";

/**
 * G1: no taint goes and no workload is bound before both agents are Ready for the current configuration.
 *
 * @param graceMs how long ago it may have been so: a controller cannot know what happens while its write is under way
 * @returns what was against it
 */
export function earlyOpenings(gate: Gate, graceMs: number): string[] {
  const replay = new Replay(graceMs);
  const steps = [
    ...gate.nodes.changes.map((change) => ({ of: change, run: () => replay.node(change) })),
    ...gate.pods.changes.map((change) => ({ of: change, run: () => replay.pod(change) })),
    ...gate.daemonSets.changes.map((change) => ({ of: change, run: () => replay.daemonSet(change) })),
  ].toSorted((one, other) => one.of.revision - other.of.revision);
  for (const { run } of steps) run();
  return replay.wrong;
}

interface Story {
  readonly uid: string;
  tainted: boolean;
  /** When both agents were last ready, since the node exists. */
  readyAt?: number;
}

/** Goes through all changes once more, in the order in which the API server made them. */
class Replay {
  readonly wrong: string[] = [];
  readonly #nodes = new Map<string, Story>();
  readonly #pods = new Map<string, Map<string, Pod>>();
  readonly #hashes: Partial<Record<Agent, string>> = {};
  readonly #bound = new Set<string>();

  constructor(private readonly graceMs: number) {}

  node({ at, type, object, revision }: Change<Node>): void {
    const { name, uid } = object.metadata;
    this.#look(name, at);
    const story = this.#nodes.get(name);
    const tainted = hasTaint(object);
    if (type === "DELETED") this.#nodes.delete(name);
    else if (story?.uid !== uid) this.#nodes.set(name, { uid, tainted });
    else {
      const late = story.readyAt === undefined || at - story.readyAt > this.graceMs;
      const gated = object.metadata.labels?.[GATE] !== undefined;
      if (gated && story.tainted && !tainted && late) {
        this.wrong.push(`${name} lost its taint at revision ${revision}: its agents were not ready`);
      }
      story.tainted = tainted;
    }
    this.#look(name, at);
  }

  pod({ at, type, object }: Change<Pod>): void {
    const node = object.spec.nodeName;
    if (node === undefined) return;
    if (isWorkload(object)) {
      this.#workload(object, node);
      return;
    }
    // What was ready until this change was so until now.
    this.#look(node, at);
    const pods = this.#pods.get(node) ?? new Map<string, Pod>();
    this.#pods.set(node, pods);
    if (type === "DELETED") pods.delete(object.metadata.uid);
    else pods.set(object.metadata.uid, object);
    this.#look(node, at);
  }

  daemonSet({ at, type, object }: Change<DaemonSet>): void {
    for (const node of this.#nodes.keys()) this.#look(node, at);
    const agent = agentOf(object);
    if (agent === undefined) return;
    const hash = object.spec.template.metadata.annotations?.[HASH];
    this.#hashes[agent] = type === "DELETED" ? undefined : hash;
    for (const node of this.#nodes.keys()) this.#look(node, at);
  }

  #workload({ metadata: { name, uid } }: Pod, node: string): void {
    if (this.#bound.has(uid)) return;
    this.#bound.add(uid);
    if (this.#nodes.get(node)?.readyAt === undefined) {
      this.wrong.push(`${name} was bound to ${node}, where the agents were never ready`);
    }
  }

  #look(name: string, at: number): void {
    const story = this.#nodes.get(name);
    if (!story) return;
    const pods = [...(this.#pods.get(name)?.values() ?? [])];
    const ready = AGENTS.every((agent) =>
      pods.some(
        (pod) =>
          agentOf(pod) === agent && isReady(pod) && pod.metadata.annotations?.[HASH] === this.#hashes[agent],
      ),
    );
    if (ready) story.readyAt = at;
  }
}
