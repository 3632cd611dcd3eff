import { applyPatch, type Operation } from "fast-json-patch";
import {
  decideCondition,
  decideTaint,
  taintPatch,
  type AgentDaemonSet,
  type AgentPod,
  type Cause,
  type GateNode,
  type GateSettings,
  type Taint,
} from "../../../../controller/readiness/rules";
import { AGENTS, NAMESPACE, OURS, SELECTED, settings, viewOn, type Agent } from "./support";

/** A pod, and what the gate cannot see: which machine its readiness is of. */
type TruePod = AgentPod & { readonly reportedFor: string };

const NAMES = ["n0", "n1", "n2", "n3", "n4"] as const;
const FOREIGN: readonly Taint[] = [
  { key: "ebs.csi.aws.com/agent-not-ready", effect: "NoExecute", timeAdded: "2026-06-01T11:59:00Z" },
  { key: "dedicated", value: "gpu", effect: "NoSchedule" },
  { key: "karpenter.sh/unregistered", effect: "NoExecute" },
];
const UNREGISTERED = FOREIGN[2]?.key;
const FAIL_OPEN_S = 100;
/** Longest lag of a watch, and longest time until the readiness of a machine that is gone is corrected. */
const LAG_MS = 10_000;
const CORRECTED_MS = 90_000;

const isOurs = ({ key, effect }: Taint) => key === OURS.key && effect === OURS.effect;
const keyOf = (agent: Agent, name: string) => `${NAMESPACE}/cedana-${agent}-${name}`;

/**
 * A cluster of five nodes with two agents, and the gate on watches that lag. Each step is one thing that can happen;
 * after each write of the gate its guarantees are checked against what is true.
 */
export class Cluster {
  readonly violations: string[] = [];
  readonly causes = new Set<Cause>();
  private readonly settings: GateSettings;
  private view;
  private readonly nodes = new Map<string, GateNode>();
  private readonly pods = new Map<string, TruePod>();
  private readonly daemonSets = new Map<Agent, AgentDaemonSet>();
  private pending: { readonly atMs: number; readonly deliver: () => void }[] = [];
  /** Since when the gate has seen a node unselected. */
  private readonly unselectedSince = new Map<string, number>();
  private readonly taintedSince = new Map<string, number>();
  private readonly onceReady = new Set<string>();
  /** Since when the gate sees no DaemonSet. */
  private goneSince: number | undefined;
  /** Whether this life of the controller can know that the agents were installed. */
  private known = false;
  private count = 0;
  private hash = 0;

  constructor(
    private readonly random: (below: number) => number,
    public now: number,
  ) {
    this.settings = settings({
      retaint: random(2) ? { holdOffSeconds: 30, maxUnreadyPercent: 20 } : false,
      ...(random(3) === 0 && { failOpenAfterSeconds: FAIL_OPEN_S }),
    });
    this.view = viewOn(this.settings);
    for (const agent of AGENTS) this.view.daemonSets.delete(`${NAMESPACE}/cedana-${agent}`);
    if (random(4)) this.install();
    for (const name of NAMES) this.register(name);
  }

  step(): void {
    const name = this.pick(NAMES) ?? "n0";
    const agent = this.pick(AGENTS) ?? "helper";
    const choice = this.random(100);
    if (choice < 25) this.pass(this.random(15_000));
    else if (choice < 40) this.reconcile(name);
    else if (choice < 65) this.runAgent(agent, name);
    else if (choice < 71) this.setReady(agent, name, false);
    else if (choice < 75) this.putPod(agent, name, undefined);
    else if (choice < 79) this.taint(name, OURS, true);
    else if (choice < 84) this.taint(name, this.pick(FOREIGN) ?? OURS, this.random(2) === 0);
    else if (choice < 87) this.relabel(name);
    else if (choice < 90) this.unregister(name);
    else if (choice < 94) this.nodes.has(name) ? this.reboot(name) : this.register(name);
    else if (choice < 95) this.restart();
    else if (choice < 96) this.upgrade();
    else if (choice < 97) this.uninstall(this.random(2) ? AGENTS : [agent]);
    else if (choice < 99) this.install();
    else if (this.random(4) === 0) this.settle();
  }

  /** Nothing happens any more but time: after minutes all must be as it should. */
  settle(): void {
    for (let round = 0; round < 26; round++) {
      this.pass(LAG_MS);
      for (const name of NAMES) this.reconcile(name);
    }
    for (const [name, node] of this.nodes) this.checkSettled(name, node);
  }

  private checkSettled(name: string, node: GateNode): void {
    if (node.deleting) return;
    const tainted = node.taints.some(isOurs);
    const expectClean = (why: string) => {
      if (tainted) this.violations.push(`${why}: ${name} has the taint after minutes`);
    };
    const gone = this.daemonSets.size === 0 && this.known;
    if (!this.isSelected(node)) {
      if (node.taints.some(({ key }) => key === UNREGISTERED)) return;
      expectClean("G7 not selected");
      if (node.condition) this.violations.push(`G7 not selected: ${name} has the condition after minutes`);
    } else if (gone) {
      expectClean("G7 uninstalled");
      if (node.condition) this.violations.push(`G7 uninstalled: ${name} has the condition after minutes`);
    } else if (this.isReady(name, node, this.pods)) {
      expectClean("G2 ready");
      if (node.condition?.status !== "True")
        this.violations.push(`ready: the condition of ${name} is not True`);
    } else {
      if (this.settings.failOpenAfterSeconds !== undefined) expectClean("fail open");
      if (node.condition?.status === "True" && !this.isServing(name)) {
        this.violations.push(`the condition of ${name} is True without agents`);
      }
    }
  }

  /** What one worker does with a node. */
  private reconcile(name: string): void {
    for (let attempt = 0; attempt < 5; attempt++) {
      const situation = this.view.view.look(name);
      const change = situation && decideTaint(situation).change;
      if (!situation || !change) break;
      const live = this.nodes.get(name);
      if (!live) return;
      const patch = taintPatch(situation.node, change.operation, this.settings.taint);
      const taints = patch && this.patched(live, patch as unknown as Operation[]);
      if (!taints) {
        this.learn(live);
        continue;
      }
      this.checkWrite(name, live, taints, change);
      this.causes.add(change.cause);
      this.learn(this.putNode({ ...live, taints }));
      this.view.view.did(name, {
        ...(change.operation === "remove" && { removed: true }),
        ...(change.cause === "FailedOpen" && { failedOpen: true }),
      });
    }
    this.writeCondition(name);
  }

  private writeCondition(name: string): void {
    const situation = this.view.view.look(name);
    const live = this.nodes.get(name);
    if (!situation || !live || decideTaint(situation).change) return;
    const { change } = decideCondition(situation);
    if (!change || live.metadata.uid !== situation.node.metadata.uid) return;
    const { condition: _old, ...rest } = live;
    const condition = change === "remove" ? {} : { condition: { ...change, lastTransitionTime: "" } };
    this.learn(this.putNode({ ...rest, ...condition }));
    this.view.view.did(name, { condition: true });
  }

  /** The taints after a JSON Patch; undefined if a test in it fails. */
  private patched({ metadata, taints }: GateNode, patch: Operation[]): readonly Taint[] | undefined {
    const document = { metadata, spec: taints.length > 0 ? { taints: structuredClone(taints) } : {} };
    try {
      const { newDocument } = applyPatch<{ spec: { taints?: readonly Taint[] } }>(
        document,
        patch,
        true,
        false,
      );
      return newDocument.spec.taints ?? [];
    } catch {
      return undefined;
    }
  }

  private checkWrite(
    name: string,
    live: GateNode,
    taints: readonly Taint[],
    { operation, cause }: { readonly operation: string; readonly cause: Cause },
  ): void {
    const violated = (what: string) => this.violations.push(`${what}: ${operation} ${cause} on ${name}`);
    const others = (list: readonly Taint[]) => JSON.stringify(list.filter((taint) => !isOurs(taint)));
    if (others(live.taints) !== others(taints)) violated("G3 foreign taints changed");
    if (this.view.nodes.get(name)?.deleting) violated("node is being deleted");
    const { uid } = live.metadata;
    const seen = new Map(
      this.view.pods.list().map((pod) => [`${NAMESPACE}/${pod.metadata.name}`, pod as TruePod]),
    );
    const since = (map: ReadonlyMap<string, number>) => this.now - (map.get(uid) ?? Infinity);
    switch (cause) {
      case "Ready":
        if (!this.isReady(name, live, seen, this.view.daemonSets.list())) violated("G1 not ready");
        break;
      case "Orphaned":
        if (since(this.unselectedSince) < 60_000) violated("not an orphan for long");
        break;
      case "Uninstalled":
        if (this.now - (this.goneSince ?? Infinity) < 60_000) violated("G1 not uninstalled for long");
        break;
      case "FailedOpen":
        if (
          this.settings.failOpenAfterSeconds === undefined ||
          since(this.taintedSince) < FAIL_OPEN_S * 1000
        ) {
          violated("G1 failed open early");
        }
        break;
      case "AgentLost": {
        if (!this.settings.retaint || !this.onceReady.has(uid)) violated("no loss");
        if (live.labels["karpenter.sh/initialized"] === "true") violated("Karpenter");
        if (this.lost() > 1) violated("G10 storm");
      }
    }
  }

  /** Nodes that lack an agent, as the gate's stores have it, beyond their start. */
  private lost(): number {
    return this.view.nodes.list().filter((node) => {
      const { name, uid } = node.metadata;
      const started = !node.taints.some(isOurs) || node.condition?.reason === "AgentLost";
      const alive = this.nodes.get(name)?.metadata.uid === uid && !node.deleting && this.isSelected(node);
      const serves = AGENTS.every((agent) => {
        const pod = this.view.pods.get(keyOf(agent, name));
        return pod?.ready === true && !pod.deleting;
      });
      return alive && started && !serves;
    }).length;
  }

  private isReady(
    name: string,
    { metadata }: GateNode,
    pods: ReadonlyMap<string, TruePod>,
    daemonSets: readonly AgentDaemonSet[] = [...this.daemonSets.values()],
  ): boolean {
    return AGENTS.every((agent) => {
      const pod = pods.get(keyOf(agent, name));
      const daemonSet = daemonSets.find((one) => one.metadata.name === `cedana-${agent}`);
      return (
        pod?.ready === true &&
        !pod.deleting &&
        daemonSet?.deleting === false &&
        pod.ownerUid === daemonSet.metadata.uid &&
        pod.hash === daemonSet.hash &&
        pod.reportedFor === metadata.uid
      );
    });
  }

  private isServing(name: string): boolean {
    return AGENTS.every((agent) => this.pods.get(keyOf(agent, name))?.ready === true);
  }

  private isSelected({ labels }: GateNode): boolean {
    return labels["cedana.ai/enabled"] === "true";
  }

  // What happens in the cluster.

  private pass(ms: number): void {
    this.now += ms;
    for (const [key, pod] of this.pods) {
      const node = this.nodes.get(pod.nodeName);
      if (!node || node.metadata.uid === pod.reportedFor) continue;
      // The kubelet of the new machine corrects what the old one said.
      if (this.now - node.createdMs > CORRECTED_MS - LAG_MS || this.random(10) === 0) {
        this.setPod(key, {
          ...pod,
          ready: false,
          readySinceMs: this.second(),
          reportedFor: node.metadata.uid,
        });
      }
    }
    for (const [name, node] of this.nodes)
      if (this.isReady(name, node, this.pods)) this.onceReady.add(node.metadata.uid);
    this.deliver(this.now - LAG_MS);
    if (this.random(2)) this.deliver(this.now - this.random(LAG_MS));
  }

  private deliver(untilMs: number): void {
    const due = this.pending.filter(({ atMs }) => atMs <= untilMs);
    this.pending = this.pending.filter(({ atMs }) => atMs > untilMs);
    for (const { deliver } of due) deliver();
  }

  private later(deliver: () => void): void {
    this.pending.push({ atMs: this.now, deliver });
  }

  private register(name: string): void {
    if (this.nodes.has(name)) return;
    this.now += 1000;
    const uid = `node-${++this.count}`;
    const labels = { ...SELECTED, ...(this.random(4) === 0 && { "karpenter.sh/initialized": "true" }) };
    const taints = [...(this.random(8) ? [OURS] : []), ...FOREIGN.filter(() => this.random(3) === 0)];
    this.putNode({
      metadata: this.identity(name, uid),
      createdMs: this.second(),
      deleting: false,
      labels,
      taints,
    });
  }

  private unregister(name: string): void {
    const node = this.nodes.get(name);
    if (!node) return;
    if (!node.deleting && this.random(2)) return void this.putNode({ ...node, deleting: true });
    this.nodes.delete(name);
    this.later(() => this.view.nodes.delete(name));
    // Pods of the machine may outlive it, and still say Ready.
    if (this.random(2)) for (const agent of AGENTS) this.putPod(agent, name, undefined);
    if (this.random(2)) this.register(name);
  }

  private reboot(name: string): void {
    for (const agent of AGENTS) this.setReady(agent, name, false);
  }

  private relabel(name: string): void {
    const node = this.nodes.get(name);
    if (!node) return;
    const { "cedana.ai/enabled": on, ...labels } = node.labels;
    this.putNode({ ...node, labels: on === undefined ? { ...labels, ...SELECTED } : labels });
  }

  private taint(name: string, taint: Taint, on: boolean): void {
    const node = this.nodes.get(name);
    if (!node) return;
    const rest = node.taints.filter(({ key, effect }) => key !== taint.key || effect !== taint.effect);
    this.putNode({ ...node, taints: on ? [...rest, taint] : rest });
  }

  /** The DaemonSet controller and the kubelet: a pod is made, replaced if it is old, gets Ready. */
  private runAgent(agent: Agent, name: string): void {
    const daemonSet = this.daemonSets.get(agent);
    const node = this.nodes.get(name);
    if (!daemonSet || !node || !this.isSelected(node)) return;
    const pod = this.pods.get(keyOf(agent, name));
    if (pod?.ownerUid === daemonSet.metadata.uid && pod.hash === daemonSet.hash && !pod.deleting) {
      this.setReady(agent, name, true);
    } else if (pod && !pod.deleting && this.random(2)) {
      this.putPod(agent, name, { ...pod, deleting: true });
    } else {
      const { uid } = daemonSet.metadata;
      this.putPod(agent, name, {
        metadata: this.identity(`cedana-${agent}-${name}`, `pod-${++this.count}`, NAMESPACE),
        nodeName: name,
        createdMs: this.second(),
        ownerUid: uid,
        ...(daemonSet.hash !== undefined && { hash: daemonSet.hash }),
        ready: false,
        readySinceMs: this.second(),
        deleting: false,
        reportedFor: node.metadata.uid,
      });
    }
  }

  private setReady(agent: Agent, name: string, ready: boolean): void {
    const key = keyOf(agent, name);
    const pod = this.pods.get(key);
    const node = this.nodes.get(name);
    if (!pod || !node || pod.ready === ready) return;
    this.setPod(key, { ...pod, ready, readySinceMs: this.second(), reportedFor: node.metadata.uid });
  }

  private putPod(agent: Agent, name: string, pod: TruePod | undefined): void {
    const key = keyOf(agent, name);
    if (pod) return this.setPod(key, pod);
    this.pods.delete(key);
    this.later(() => this.view.pods.delete(key));
  }

  private setPod(key: string, pod: TruePod): void {
    const next = { ...pod, metadata: { ...pod.metadata, resourceVersion: this.version() } };
    this.pods.set(key, next);
    const node = this.nodes.get(pod.nodeName);
    if (node && this.isReady(pod.nodeName, node, this.pods)) this.onceReady.add(node.metadata.uid);
    this.later(() => this.view.pods.set(next));
  }

  private install(): void {
    for (const agent of AGENTS) {
      if (!this.daemonSets.has(agent)) this.putDaemonSet(agent, `ds-${agent}-${++this.count}`);
    }
  }

  private upgrade(): void {
    this.hash++;
    for (const [agent, { metadata }] of this.daemonSets) this.putDaemonSet(agent, metadata.uid);
  }

  private putDaemonSet(agent: Agent, uid: string): void {
    const metadata = this.identity(`cedana-${agent}`, uid, NAMESPACE);
    const daemonSet = { metadata, hash: `h${this.hash}`, deleting: false };
    this.daemonSets.set(agent, daemonSet);
    this.later(() => {
      this.goneSince = undefined;
      this.view.daemonSets.set(daemonSet);
      // Seen when a node is looked at.
      if (this.view.nodes.size > 0) this.known = true;
    });
  }

  private uninstall(agents: readonly Agent[]): void {
    for (const agent of agents) {
      if (!this.daemonSets.delete(agent)) continue;
      for (const name of NAMES) this.putPod(agent, name, undefined);
      this.later(() => {
        this.view.daemonSets.delete(`${NAMESPACE}/cedana-${agent}`);
        if (this.view.daemonSets.size === 0) this.goneSince ??= this.now;
      });
    }
  }

  /** A new process: it knows what the API server says, and nothing else. */
  private restart(): void {
    this.pending = [];
    this.view = viewOn(this.settings);
    for (const agent of AGENTS) this.view.daemonSets.delete(`${NAMESPACE}/cedana-${agent}`);
    for (const daemonSet of this.daemonSets.values()) this.view.daemonSets.set(daemonSet);
    for (const pod of this.pods.values()) this.view.pods.set(pod);
    for (const node of this.nodes.values()) this.view.nodes.set(node);
    this.unselectedSince.clear();
    for (const name of NAMES) this.saw(name);
    const told = [...this.nodes.values()].some(
      ({ condition }) => condition?.status === "True" || condition?.reason === "AgentLost",
    );
    this.known = this.daemonSets.size > 0 || told;
    this.goneSince = this.daemonSets.size === 0 ? this.now : undefined;
  }

  private putNode(node: GateNode): GateNode {
    const next = { ...node, metadata: { ...node.metadata, resourceVersion: this.version() } };
    const { name, uid } = next.metadata;
    this.nodes.set(name, next);
    mark(this.taintedSince, uid, next.taints.some(isOurs), this.now);
    this.later(() => {
      this.view.nodes.set(next);
      this.saw(name);
    });
    return next;
  }

  /** The gate takes in a node. */
  private learn(node: GateNode): void {
    this.view.view.learn(node);
    this.saw(node.metadata.name);
  }

  private saw(name: string): void {
    const node = this.view.view.look(name)?.node;
    if (node) mark(this.unselectedSince, node.metadata.uid, !this.isSelected(node), this.now);
  }

  private identity(name: string, uid: string, namespace?: string) {
    return { name, ...(namespace !== undefined && { namespace }), uid, resourceVersion: this.version() };
  }

  private version(): string {
    return String(1000 + ++this.count);
  }

  /** Kubernetes stamps to the second. */
  private second(): number {
    return Math.floor(this.now / 1000) * 1000;
  }

  private pick<T>(list: readonly T[]): T | undefined {
    return list[this.random(list.length)];
  }
}

function mark(since: Map<string, number>, key: string, holds: boolean, now: number): void {
  if (!holds) since.delete(key);
  else if (!since.has(key)) since.set(key, now);
}
