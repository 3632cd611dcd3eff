import { createHash } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import { MAX_WATCHES, type MemoryWatch } from "../../../api";
import type { PodWatch, PolicyPod } from "./types";

interface Entry {
  readonly nodeName: string;
  /** Of the trigger. */
  readonly settings: object;
  readonly watch: MemoryWatch;
}

/** Pods of a policy that its trigger cannot watch. */
export interface Unwatched {
  readonly pods: number;
  /** One of them, and why. */
  readonly example: string;
}

function idOf(key: string, settings: object): string {
  return createHash("sha256")
    .update(`${key}/${JSON.stringify(settings)}`)
    .digest("hex")
    .slice(0, 16);
}

/** What is watched of pods on each node, by policy and pod. */
export class Watches {
  private readonly entries = new Map<string, Entry>();
  private readonly byNode = new Map<string, Map<string, MemoryWatch>>();
  private readonly problems = new Map<string, Map<string, string>>();
  private readonly changed = new Set<string>();

  /**
   * Sets what is watched of a pod, or why it is not.
   * @param settings of the trigger: with others, the watch begins again
   */
  set(policyUID: string, settings: object, pod: PolicyPod, watch: PodWatch | string): void {
    const key = `${policyUID}/${pod.uid}`;
    const problems = this.problems.get(policyUID) ?? new Map<string, string>();
    this.problems.set(policyUID, problems);
    if (typeof watch === "string") problems.set(pod.uid, `pod ${pod.namespace}/${pod.name}: ${watch}`);
    else problems.delete(pod.uid);
    if (typeof watch === "string" || pod.nodeName === undefined) return this.remove(key);
    const { nodeName } = pod;
    const old = this.entries.get(key);
    const id = old?.settings === settings ? old.watch.id : idOf(key, settings);
    const next = { id, podUID: pod.uid, policyUID, ...watch };
    if (old?.nodeName === nodeName && isDeepStrictEqual(old.watch, next)) return;
    this.remove(key);
    this.entries.set(key, { nodeName, settings, watch: next });
    const onNode = this.byNode.get(nodeName) ?? new Map<string, MemoryWatch>();
    this.byNode.set(nodeName, onNode.set(key, next));
    this.changed.add(nodeName);
  }

  delete(policyUID: string, podUID: string): void {
    this.problems.get(policyUID)?.delete(podUID);
    this.remove(`${policyUID}/${podUID}`);
  }

  removePolicy(policyUID: string): void {
    this.problems.delete(policyUID);
    for (const [key, { watch }] of this.entries) if (watch.policyUID === policyUID) this.remove(key);
  }

  /** Returns what is watched on a node, sorted by id. Beyond the maximum, the rest is not watched. */
  on(nodeName: string): readonly MemoryWatch[] {
    const all = [...(this.byNode.get(nodeName)?.values() ?? [])];
    return all.toSorted((a, b) => (a.id < b.id ? -1 : 1)).slice(0, MAX_WATCHES);
  }

  /** Returns the pods of a policy that cannot be watched; undefined if all can. */
  unwatched(policyUID: string): Unwatched | undefined {
    const problems = this.problems.get(policyUID);
    const [example] = problems?.values() ?? [];
    return problems && example !== undefined ? { pods: problems.size, example } : undefined;
  }

  /** Returns the nodes whose watches changed since the last call. */
  takeChanged(): readonly string[] {
    const changed = [...this.changed];
    this.changed.clear();
    return changed;
  }

  private remove(key: string): void {
    const entry = this.entries.get(key);
    if (!entry) return;
    const { nodeName } = entry;
    this.entries.delete(key);
    const onNode = this.byNode.get(nodeName);
    onNode?.delete(key);
    if (onNode?.size === 0) this.byNode.delete(nodeName);
    this.changed.add(nodeName);
  }
}
