import { DueHeap } from "./due-heap";
import type { Run } from "./types";

interface Entry {
  /** For the last time that was due. */
  run: Run;
  /** The earliest time that was due since the pod began to wait, or since the last missed time. */
  sinceMs: number;
  /** `namespace/name` of the pod whose open Checkpoint it waits for. */
  pod?: string;
  /** What it waits for, for people. */
  cause: string;
}

/** Runs of a node, by id, in the order in which they became ready. */
type Line = Map<string, Run>;

const idOf = ({ policy, pod }: Run) => `${policy.uid}/${pod.uid}`;

/**
 * Runs that are due and have not started: one for each policy and pod. A run is ready, or waits for its pod's open Checkpoint,
 * or for a time.
 */
export class Waiting {
  private readonly entries = new Map<string, Entry>();
  private readonly deadlines = new DueHeap();
  private readonly delays = new DueHeap();
  /** By policy, then by node. Policies take turns. */
  private readonly lines = new Map<string, Map<string, Line>>();
  private readonly byPod = new Map<string, Set<string>>();
  private readonly byPolicy = new Map<string, Set<string>>();

  get size(): number {
    return this.entries.size;
  }

  /** Returns when the first deadline or delay ends. */
  get firstMs(): number | undefined {
    const times = [this.deadlines.firstMs, this.delays.firstMs].filter((time) => time !== undefined);
    return times.length === 0 ? undefined : Math.min(...times);
  }

  ofPolicy(policyUID: string): number {
    return this.byPolicy.get(policyUID)?.size ?? 0;
  }

  /**
   * Adds a run. If an earlier run of the same policy and pod waits, the new run takes its place and its deadline: a pod that is due again
   * must not lose its turn. If a later run waits, as after a failed request of this run, the later run stays, with the deadline of this
   * one.
   */
  add(run: Run): void {
    const id = idOf(run);
    const known = this.entries.get(id);
    if (known && known.run.dueMs > run.dueMs) {
      known.sinceMs = run.dueMs;
      this.deadlines.set(id, run.deadlineMs);
      return;
    }
    if (known && known.run.pod.nodeName === run.pod.nodeName) {
      known.run = run;
      const line = this.lines.get(run.policy.uid)?.get(run.pod.nodeName ?? "");
      if (line?.has(id)) line.set(id, run);
      return;
    }
    this.remove(run);
    this.entries.set(id, { run, sinceMs: run.dueMs, cause: "it was not started yet" });
    this.deadlines.set(id, run.deadlineMs);
    into(this.byPolicy, run.policy.uid, () => new Set<string>()).add(id);
    this.ready(id, run);
  }

  remove(run: Run): void {
    const id = idOf(run);
    const entry = this.entries.get(id);
    if (!entry) return;
    this.unline(id, entry);
    this.entries.delete(id);
    this.deadlines.delete(id);
    const ids = this.byPolicy.get(run.policy.uid);
    ids?.delete(id);
    if (ids?.size === 0) this.byPolicy.delete(run.policy.uid);
  }

  removePolicy(policyUID: string): void {
    for (const id of this.byPolicy.get(policyUID) ?? []) {
      const entry = this.entries.get(id);
      if (entry) this.remove(entry.run);
    }
  }

  /** Records why a ready run does not start. */
  note(run: Run, cause: string): void {
    const entry = this.entries.get(idOf(run));
    if (entry) entry.cause = cause;
  }

  /** Lets a run wait until the pod has no open Checkpoint. */
  park(run: Run, pod: string, cause: string): void {
    const id = idOf(run);
    const entry = this.entries.get(id);
    if (!entry) return;
    this.unline(id, entry);
    Object.assign(entry, { pod, cause });
    into(this.byPod, pod, () => new Set<string>()).add(id);
  }

  /** Lets a run wait until a time. */
  delay(run: Run, untilMs: number, cause: string): void {
    const id = idOf(run);
    const entry = this.entries.get(id);
    if (!entry) return;
    this.unline(id, entry);
    entry.cause = cause;
    this.delays.set(id, untilMs);
  }

  /** Makes the runs ready that waited for the pod. */
  free(pod: string): void {
    for (const id of this.byPod.get(pod) ?? []) this.again(id);
  }

  /** Makes the runs ready whose delay has passed. */
  wake(nowMs: number): void {
    for (let id = this.delays.firstDue(nowMs); id !== undefined; id = this.delays.firstDue(nowMs))
      this.again(id);
  }

  /**
   * Removes the runs whose deadline has passed. One that was due again meanwhile keeps waiting for its last time.
   * @returns the removed runs, with what they waited for
   */
  expire(nowMs: number): readonly { readonly run: Run; readonly cause: string }[] {
    const expired: { readonly run: Run; readonly cause: string }[] = [];
    for (;;) {
      const id = this.deadlines.firstDue(nowMs) ?? "";
      const entry = this.entries.get(id);
      if (!entry) return expired;
      const { run, sinceMs, cause } = entry;
      expired.push({ run: { ...run, dueMs: sinceMs }, cause });
      if (run.dueMs > sinceMs && run.deadlineMs > nowMs) {
        entry.sinceMs = run.dueMs;
        this.deadlines.set(id, run.deadlineMs);
      } else this.remove(run);
    }
  }

  /**
   * Visits the ready runs: policies take turns, and in a policy nodes do. `visit` may remove, park or delay the run.
   * `skip-node` and `skip-policy` leave the other runs of the node or the policy, `stop` leaves all.
   */
  each(visit: (run: Run) => "next" | "skip-node" | "skip-policy" | "stop"): void {
    const policies = [...this.lines.keys()];
    const skippedNodes = new Set<string>();
    for (let left = policies; left.length > 0;) {
      const remaining: string[] = [];
      for (const policy of left) {
        const result = this.first(policy, skippedNodes, visit);
        if (result === "stop") return this.rotate(policy);
        if (result === "more") remaining.push(policy);
      }
      left = remaining;
    }
  }

  /** Visits one ready run of the policy. */
  private first(
    policy: string,
    skipped: Set<string>,
    visit: (run: Run) => "next" | "skip-node" | "skip-policy" | "stop",
  ): "more" | "none" | "stop" {
    for (const [node, line] of this.lines.get(policy) ?? []) {
      if (skipped.has(node)) continue;
      const [run] = line.values();
      if (run === undefined) continue;
      const result = visit(run);
      if (result === "stop") return "stop";
      if (result === "skip-policy") return "none";
      if (result === "skip-node") {
        skipped.add(node);
        continue;
      }
      this.turn(policy, node);
      return "more";
    }
    return "none";
  }

  /** Lets the other nodes of the policy start before this one. */
  private turn(policy: string, node: string): void {
    const lines = this.lines.get(policy);
    const line = lines?.get(node);
    if (!lines || !line) return;
    lines.delete(node);
    lines.set(node, line);
  }

  /** Lets the other policies start before those that just did. */
  private rotate(policy: string): void {
    for (const uid of this.lines.keys()) {
      const lines = this.lines.get(uid);
      if (uid === policy || !lines) return;
      this.lines.delete(uid);
      this.lines.set(uid, lines);
    }
  }

  private again(id: string): void {
    const entry = this.entries.get(id);
    if (!entry) return;
    this.unline(id, entry);
    this.ready(id, entry.run);
  }

  private ready(id: string, run: Run): void {
    const nodes = into(this.lines, run.policy.uid, () => new Map<string, Line>());
    into(nodes, run.pod.nodeName ?? "", (): Line => new Map()).set(id, run);
  }

  /** Removes the run from where it waits. */
  private unline(id: string, entry: Entry): void {
    const { run, pod } = entry;
    const [policy, node] = [run.policy.uid, run.pod.nodeName ?? ""];
    const nodes = this.lines.get(policy);
    const line = nodes?.get(node);
    if (line?.delete(id) && line.size === 0) nodes?.delete(node);
    if (nodes?.size === 0) this.lines.delete(policy);
    this.delays.delete(id);
    if (pod === undefined) return;
    const ids = this.byPod.get(pod);
    ids?.delete(id);
    if (ids?.size === 0) this.byPod.delete(pod);
    delete entry.pod;
  }
}

function into<V>(map: Map<string, V>, key: string, create: () => V): V {
  const known = map.get(key);
  if (known !== undefined) return known;
  const value = create();
  map.set(key, value);
  return value;
}
