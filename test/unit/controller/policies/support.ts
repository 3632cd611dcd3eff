import { atOnce } from "../../../../kube";
import { ACTIONS } from "../../../../controller/policies/actions";
import { FILTERS } from "../../../../controller/policies/filters";
import { PolicyEngine, podKey } from "../../../../controller/policies/core/engine";
import type { EngineOptions } from "../../../../controller/policies/core/options";
import type { Outcome } from "../../../../controller/policies/core/outcome";
import type { CheckpointFact, Policy, PolicyPod, Run } from "../../../../controller/policies/core/types";
import { TRIGGERS } from "../../../../controller/policies/triggers";

export const START = Date.parse("2026-11-01T00:00:00Z");
export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;

export function policyOf(uid: string, spec: object = {}, more: Partial<Policy> = {}): Policy {
  return {
    uid,
    name: uid,
    namespace: "team-a",
    generation: 1,
    sinceMs: 0,
    ...more,
    spec: {
      suspend: false,
      trigger: { heartbeat: { intervalSeconds: 600 } },
      action: { checkpoint: {} },
      minSpacingSeconds: 60,
      deadlineSeconds: 600,
      maxInFlight: 1000,
      ...spec,
    },
  };
}

export function podOf(uid: string, more: Partial<PolicyPod> = {}): PolicyPod {
  return {
    uid,
    namespace: "team-a",
    name: uid,
    createdMs: 0,
    labels: {},
    nodeName: "n1",
    phase: "Running",
    runningSinceMs: 0,
    revision: { id: uid, name: uid },
    memoryLimits: {},
    restarts: 0,
    containers: ["main"],
    ...more,
  };
}

/** A start of a Checkpoint, as the world saw it. */
export interface Start {
  readonly pod: string;
  readonly policy: string;
  readonly dueMs: number;
  readonly atMs: number;
}

export interface WorldOptions extends Partial<
  Omit<EngineOptions, "checkpointsOf" | "checkpointAt" | "report">
> {
  /** Returns how long a Checkpoint takes, ms. Default: 10 s. */
  readonly durationMs?: (run: Run) => number;
  /** Returns whether a Checkpoint fails. Default: none does. */
  readonly fails?: (run: Run, atMs: number) => boolean;
  /** Number of ended Checkpoints of a pod that are kept. Default: all. */
  readonly keep?: number;
  /** Time from the decision to the creation of the Checkpoint. Default: 0. */
  readonly createMs?: number;
}

/** A virtual cluster: it executes what the engine decides, and moves the clock. The engine can be replaced, as by a new leader. */
export class World {
  nowMs = START;
  readonly starts: Start[] = [];
  readonly outcomes: { readonly outcome: Outcome; readonly pod: string; readonly dueMs: number }[] = [];
  readonly facts = new Map<string, CheckpointFact[]>();
  readonly policies = new Map<string, Policy>();
  readonly pods = new Map<string, PolicyPod>();
  readonly namespaces = new Map<string, Record<string, string>>();
  /** Most Checkpoints that were open at a time: of all, of a policy, of a node. */
  readonly most = { all: 0, policy: 0, node: 0 };
  advances = 0;
  engine: PolicyEngine;
  private leads = true;
  private readonly ends: { readonly atMs: number; readonly fact: CheckpointFact }[] = [];

  constructor(private readonly options: WorldOptions = {}) {
    this.engine = this.newEngine();
    atOnce(this.engine.starting(() => this.nowMs));
  }

  policy(...given: Parameters<typeof policyOf>): void {
    const policy = policyOf(...given);
    this.policies.set(policy.uid, policy);
    if (this.leads) this.engine.setPolicy(policy, this.nowMs);
  }

  pod(uid: string, more: Partial<PolicyPod> = {}): void {
    const createdMs = this.pods.get(uid)?.createdMs ?? this.nowMs;
    const pod = podOf(uid, { createdMs, ...more });
    this.pods.set(uid, pod);
    if (this.leads) this.engine.setPod(pod, this.nowMs);
  }

  namespace(name: string, labels: Record<string, string>): void {
    this.namespaces.set(name, labels);
    if (this.leads) this.engine.setNamespace(name, labels, this.nowMs);
  }

  /** Creates a Checkpoint as another client does. */
  checkpoint(pod: string, durationMs = 10_000): void {
    const key = `team-a/manual-${this.nowMs}`;
    this.open(
      { key, pod, podUID: pod.split("/")[1], createdMs: this.nowMs, state: "open" },
      durationMs,
      false,
    );
  }

  /** Keys of the Checkpoints, the first created first. */
  keys(): readonly string[] {
    const all = [...this.facts.values()].flat().toSorted((a, b) => a.createdMs - b.createdMs);
    return all.map(({ key }) => key);
  }

  /** Deletes a Checkpoint, as another client does. */
  delete(key = ""): void {
    for (const [pod, facts] of this.facts)
      this.facts.set(
        pod,
        facts.filter((fact) => fact.key !== key),
      );
    if (this.leads) this.engine.removeCheckpoint(key);
  }

  /** The leader ends, and another one starts after a time. */
  changeLeader(gapMs: number): void {
    this.leads = false;
    this.until(this.nowMs + gapMs);
    this.leads = true;
    this.engine = this.newEngine();
    for (const [name, labels] of this.namespaces) this.engine.setNamespace(name, labels, this.nowMs);
    for (const policy of this.policies.values()) this.engine.setPolicy(policy, this.nowMs);
    for (const pod of this.pods.values()) this.engine.setPod(pod, this.nowMs);
    for (const facts of this.facts.values()) for (const fact of facts) this.engine.setCheckpoint(fact);
    atOnce(this.engine.starting(() => this.nowMs));
  }

  pass(ms: number): void {
    this.until(this.nowMs + ms);
  }

  until(endMs: number): void {
    for (;;) {
      if (this.leads) this.advance();
      const nextMs = Math.min(
        this.leads ? (this.engine.nextMs ?? Number.POSITIVE_INFINITY) : Number.POSITIVE_INFINITY,
        this.ends[0]?.atMs ?? Number.POSITIVE_INFINITY,
      );
      if (nextMs > endMs) break;
      this.nowMs = Math.max(this.nowMs, nextMs);
      this.finish();
    }
    this.nowMs = endMs;
    if (this.leads) this.advance();
  }

  private advance(): void {
    this.advances++;
    for (const run of this.engine.advance(this.nowMs)) {
      const { policy, pod, dueMs, key } = run;
      const created = this.nowMs + (this.options.createMs ?? 0);
      this.starts.push({ pod: pod.uid, policy: policy.uid, dueMs, atMs: this.nowMs });
      const exists = this.facts.get(podKey(pod))?.some((fact) => fact.key === key);
      if (exists) throw new Error(`${key} exists already`);
      const fact: CheckpointFact = {
        key,
        pod: podKey(pod),
        podUID: pod.uid,
        nodeName: pod.nodeName,
        policyUID: policy.uid,
        dueMs,
        createdMs: created,
        state: "open",
      };
      this.open(
        fact,
        this.options.durationMs?.(run) ?? 10_000,
        this.options.fails?.(run, this.nowMs) ?? false,
      );
    }
  }

  private open(fact: CheckpointFact, durationMs: number, fails: boolean): void {
    const facts = this.facts.get(fact.pod) ?? [];
    if (facts.some(({ state }) => state === "open"))
      throw new Error(`pod ${fact.pod} has two open Checkpoints`);
    this.facts.set(fact.pod, [...facts, fact]);
    if (this.leads) this.engine.setCheckpoint(fact);
    const endedMs = fact.createdMs + durationMs;
    const ended = {
      ...fact,
      state: fails ? ("failed" as const) : ("completed" as const),
      endedMs,
      ...(fails && { reason: "CheckpointFailed", message: "criu failed" }),
    };
    const at = this.ends.findLastIndex(({ atMs }) => atMs <= endedMs) + 1;
    this.ends.splice(at, 0, { atMs: endedMs, fact: ended });
    this.measure(fact);
  }

  private measure({ policyUID, nodeName }: CheckpointFact): void {
    const open = this.ends.map(({ fact }) => fact);
    const { most } = this;
    if (open.length > 1000) return;
    most.all = Math.max(most.all, open.length);
    most.policy = Math.max(most.policy, open.filter((one) => one.policyUID === policyUID).length);
    most.node = Math.max(most.node, open.filter((one) => one.nodeName === nodeName).length);
  }

  private finish(): void {
    for (let end = this.ends[0]; end && end.atMs <= this.nowMs; end = this.ends[0]) {
      this.ends.shift();
      const { fact } = end;
      const others = (this.facts.get(fact.pod) ?? []).filter(({ key }) => key !== fact.key);
      const kept = this.options.keep === undefined ? others : others.slice(-this.options.keep + 1);
      this.facts.set(fact.pod, [...kept, fact]);
      if (this.leads) this.engine.setCheckpoint(fact);
    }
  }

  private newEngine(): PolicyEngine {
    return new PolicyEngine({
      triggers: TRIGGERS,
      filters: FILTERS,
      actions: ACTIONS,
      maxPerNode: 1_000_000,
      maxInFlight: 1_000_000,
      ...this.options,
      checkpointsOf: (pod) => this.facts.get(pod) ?? [],
      checkpointAt: (key) => [...this.facts.values()].flat().find((fact) => fact.key === key),
      report: (outcome, _, { pod, dueMs }) =>
        void this.outcomes.push({ outcome, pod: pod?.uid ?? "", dueMs }),
    });
  }
}
