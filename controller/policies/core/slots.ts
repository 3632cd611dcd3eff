import { DueHeap } from "./due-heap";
import type { CheckpointFact, Run } from "./types";

/**
 * How long a Checkpoint that was created is counted although the cache has not received it, ms. It may have been deleted
 * before the cache saw it.
 */
const UNCONFIRMED_MS = 300_000;

interface Slot {
  readonly pod: string;
  readonly nodeName: string;
  /** Undefined for Checkpoints of other clients. */
  readonly policyUID?: string;
}

/** Counts the Checkpoints that have not ended, by pod, node and policy: those in the cache, and those just requested. */
export class Slots {
  private readonly slots = new Map<string, Slot>();
  private readonly unconfirmed = new DueHeap();
  private readonly byPod = new Map<string, number>();
  private readonly byNode = new Map<string, number>();
  private readonly byPolicy = new Map<string, number>();
  private ofPolicies = 0;

  /** Number of Checkpoints of all policies. */
  get total(): number {
    return this.ofPolicies;
  }

  /** Returns when the first one is no longer counted. */
  get firstExpiryMs(): number | undefined {
    return this.unconfirmed.firstMs;
  }

  /** Returns whether the Checkpoint is counted. */
  has(key: string): boolean {
    return this.slots.has(key);
  }

  /** Returns whether the Checkpoint counts only because it is about to be created. */
  isUnconfirmed(key: string): boolean {
    return this.unconfirmed.timeOf(key) !== undefined;
  }

  isBusy(pod: string): boolean {
    return this.byPod.has(pod);
  }

  onNode(nodeName: string): number {
    return this.byNode.get(nodeName) ?? 0;
  }

  ofPolicy(policyUID: string): number {
    return this.byPolicy.get(policyUID) ?? 0;
  }

  /** Counts a Checkpoint that is about to be created. */
  start({ key, policy, pod }: Run, nowMs: number): void {
    this.add(key, {
      pod: `${pod.namespace}/${pod.name}`,
      nodeName: pod.nodeName ?? "",
      policyUID: policy.uid,
    });
    this.unconfirmed.set(key, nowMs + UNCONFIRMED_MS);
  }

  /** Counts a Checkpoint of the cache while it is open. @returns the pod that has no open one any longer */
  set({ key, pod, nodeName, policyUID, state }: CheckpointFact): string | undefined {
    this.unconfirmed.delete(key);
    if (state !== "open") return this.delete(key);
    const known = this.slots.get(key);
    this.add(key, {
      pod,
      nodeName: nodeName ?? known?.nodeName ?? "",
      ...(policyUID === undefined ? {} : { policyUID }),
    });
    return undefined;
  }

  /** Stops counting a Checkpoint. @returns its pod, if that has no open one any longer */
  delete(key: string): string | undefined {
    this.unconfirmed.delete(key);
    const slot = this.slots.get(key);
    if (slot === undefined) return undefined;
    this.slots.delete(key);
    this.count(slot, -1);
    return this.isBusy(slot.pod) ? undefined : slot.pod;
  }

  /** Stops counting what the cache did not confirm in time. @returns the pods that have no open one any longer */
  expire(nowMs: number): readonly string[] {
    const pods: string[] = [];
    for (;;) {
      const key = this.unconfirmed.firstDue(nowMs);
      if (key === undefined) return pods;
      const pod = this.delete(key);
      if (pod !== undefined) pods.push(pod);
    }
  }

  private add(key: string, slot: Slot): void {
    const known = this.slots.get(key);
    if (known) this.count(known, -1);
    this.slots.set(key, slot);
    this.count(slot, 1);
  }

  private count({ pod, nodeName, policyUID }: Slot, change: 1 | -1): void {
    shift(this.byPod, pod, change);
    if (nodeName !== "") shift(this.byNode, nodeName, change);
    if (policyUID === undefined) return;
    shift(this.byPolicy, policyUID, change);
    this.ofPolicies += change;
  }
}

function shift(counts: Map<string, number>, key: string, change: 1 | -1): void {
  const count = (counts.get(key) ?? 0) + change;
  if (count === 0) counts.delete(key);
  else counts.set(key, count);
}
