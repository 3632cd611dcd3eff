import type { AgentDaemonSet, AgentPod, GateNode, Taint } from "../../../../controller/readiness/rules";
import type { GateSettings } from "../../../../config/programs/controller";
import { AGENTS, NAMESPACE, OURS, SELECTED, settings, snapshotsOn, type Agent } from "./support";

/** A pod, with the UID of the node that reported its readiness, which the gate cannot see. */
export type TruePod = AgentPod & { readonly reportedFor: string };

export const NAMES = ["n0", "n1", "n2", "n3", "n4"] as const;
export const FOREIGN: readonly Taint[] = [
  { key: "ebs.csi.aws.com/agent-not-ready", effect: "NoExecute", timeAdded: "2026-06-01T11:59:00Z" },
  { key: "dedicated", value: "gpu", effect: "NoSchedule" },
  { key: "karpenter.sh/unregistered", effect: "NoExecute" },
];
export const UNREGISTERED = FOREIGN[2]?.key;
export const FAIL_OPEN_S = 100;
/** Longest lag of a watch, and longest time until the readiness of a previous node is corrected. */
export const LAG_MS = 10_000;
const CORRECTED_MS = 90_000;

export const isOurs = ({ key, effect }: Taint) => key === OURS.key && effect === OURS.effect;
export const keyOf = (agent: Agent, name: string) => `${NAMESPACE}/cedana-${agent}-${name}`;

/** A cluster of five nodes with two agents, its random events, and the stores of a gate with watches that lag. */
export class SimulatedCluster {
  protected readonly settings: GateSettings;
  protected gate;
  protected readonly nodes = new Map<string, GateNode>();
  protected readonly pods = new Map<string, TruePod>();
  protected readonly daemonSets = new Map<Agent, AgentDaemonSet>();
  protected pending: { readonly atMs: number; readonly deliver: () => void }[] = [];
  /** Since when a node is unselected in the gate's stores. */
  protected readonly unselectedSince = new Map<string, number>();
  protected readonly taintedSince = new Map<string, number>();
  protected readonly onceReady = new Set<string>();
  /** Since when the gate's stores have no DaemonSet. */
  protected uninstalledSince: number | undefined;
  /** Whether this controller process has observed that the agents were installed. */
  protected known = false;
  protected count = 0;
  protected hash = 0;

  constructor(
    protected readonly random: (below: number) => number,
    public now: number,
  ) {
    this.settings = settings({
      retaint: random(2) ? { holdOffSeconds: 30, maxUnreadyPercent: 20 } : false,
      ...(random(3) === 0 && { failOpenAfterSeconds: FAIL_OPEN_S }),
    });
    this.gate = snapshotsOn(this.settings);
    for (const agent of AGENTS) this.gate.daemonSets.delete(`${NAMESPACE}/cedana-${agent}`);
    if (random(4)) this.install();
    for (const name of NAMES) this.register(name);
  }

  protected pass(ms: number): void {
    this.now += ms;
    for (const [key, pod] of this.pods) {
      const node = this.nodes.get(pod.nodeName);
      if (!node || node.metadata.uid === pod.reportedFor) continue;
      // The kubelet of the new node corrects the report of the previous one.
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

  protected deliver(untilMs: number): void {
    const due = this.pending.filter(({ atMs }) => atMs <= untilMs);
    this.pending = this.pending.filter(({ atMs }) => atMs > untilMs);
    for (const { deliver } of due) deliver();
  }

  protected later(deliver: () => void): void {
    this.pending.push({ atMs: this.now, deliver });
  }

  protected register(name: string): void {
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

  protected unregister(name: string): void {
    const node = this.nodes.get(name);
    if (!node) return;
    if (!node.deleting && this.random(2)) return void this.putNode({ ...node, deleting: true });
    this.nodes.delete(name);
    this.later(() => this.gate.nodes.delete(name));
    // Pods may outlive their node with condition Ready.
    if (this.random(2)) for (const agent of AGENTS) this.putPod(agent, name, undefined);
    if (this.random(2)) this.register(name);
  }

  /** Reboots a node, or registers it if it does not exist. */
  protected rebootOrRegister(name: string): void {
    if (this.nodes.has(name)) this.reboot(name);
    else this.register(name);
  }

  protected reboot(name: string): void {
    for (const agent of AGENTS) this.setReady(agent, name, false);
  }

  protected relabel(name: string): void {
    const node = this.nodes.get(name);
    if (!node) return;
    const { "cedana.ai/enabled": on, ...labels } = node.labels;
    this.putNode({ ...node, labels: on === undefined ? { ...labels, ...SELECTED } : labels });
  }

  protected taint(name: string, taint: Taint, on: boolean): void {
    const node = this.nodes.get(name);
    if (!node) return;
    const rest = node.taints.filter(({ key, effect }) => key !== taint.key || effect !== taint.effect);
    this.putNode({ ...node, taints: on ? [...rest, taint] : rest });
  }

  /** Acts as DaemonSet controller and kubelet: creates a pod, replaces an old one, or sets it Ready. */
  protected runAgent(agent: Agent, name: string): void {
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
        checks: [],
        reportedFor: node.metadata.uid,
      });
    }
  }

  protected setReady(agent: Agent, name: string, ready: boolean): void {
    const key = keyOf(agent, name);
    const pod = this.pods.get(key);
    const node = this.nodes.get(name);
    if (!pod || !node || pod.ready === ready) return;
    this.setPod(key, { ...pod, ready, readySinceMs: this.second(), reportedFor: node.metadata.uid });
  }

  protected putPod(agent: Agent, name: string, pod: TruePod | undefined): void {
    const key = keyOf(agent, name);
    if (pod) return this.setPod(key, pod);
    this.pods.delete(key);
    this.later(() => this.gate.pods.delete(key));
  }

  protected setPod(key: string, pod: TruePod): void {
    const next = { ...pod, metadata: { ...pod.metadata, resourceVersion: this.version() } };
    this.pods.set(key, next);
    const node = this.nodes.get(pod.nodeName);
    if (node && this.isReady(pod.nodeName, node, this.pods)) this.onceReady.add(node.metadata.uid);
    this.later(() => this.gate.pods.set(next));
  }

  protected install(): void {
    for (const agent of AGENTS) {
      if (!this.daemonSets.has(agent)) this.putDaemonSet(agent, `ds-${agent}-${++this.count}`);
    }
  }

  protected upgrade(): void {
    this.hash++;
    for (const [agent, { metadata }] of this.daemonSets) this.putDaemonSet(agent, metadata.uid);
  }

  protected putDaemonSet(agent: Agent, uid: string): void {
    const metadata = this.identity(`cedana-${agent}`, uid, NAMESPACE);
    const placement = { nodeSelector: {}, tolerations: [] };
    const daemonSet = { metadata, hash: `h${this.hash}`, placement, deleting: false };
    this.daemonSets.set(agent, daemonSet);
    this.later(() => {
      this.uninstalledSince = undefined;
      this.gate.daemonSets.set(daemonSet);
      // Observed when a node is evaluated.
      if (this.gate.nodes.size > 0) this.known = true;
    });
  }

  protected uninstall(agents: readonly Agent[]): void {
    for (const agent of agents) {
      if (!this.daemonSets.delete(agent)) continue;
      for (const name of NAMES) this.putPod(agent, name, undefined);
      this.later(() => {
        this.gate.daemonSets.delete(`${NAMESPACE}/cedana-${agent}`);
        if (this.gate.daemonSets.size === 0) this.uninstalledSince ??= this.now;
      });
    }
  }

  /** Starts a new controller process, which has only read the objects of the API server. */
  protected restart(): void {
    this.pending = [];
    this.gate = snapshotsOn(this.settings);
    for (const agent of AGENTS) this.gate.daemonSets.delete(`${NAMESPACE}/cedana-${agent}`);
    for (const daemonSet of this.daemonSets.values()) this.gate.daemonSets.set(daemonSet);
    for (const pod of this.pods.values()) this.gate.pods.set(pod);
    for (const node of this.nodes.values()) this.gate.nodes.set(node);
    this.unselectedSince.clear();
    for (const name of NAMES) this.recordSelection(name);
    const wasReady = [...this.nodes.values()].some(
      ({ condition }) => condition?.status === "True" || condition?.reason === "AgentLost",
    );
    this.known = this.daemonSets.size > 0 || wasReady;
    this.uninstalledSince = this.daemonSets.size === 0 ? this.now : undefined;
  }

  protected putNode(node: GateNode): GateNode {
    const next = { ...node, metadata: { ...node.metadata, resourceVersion: this.version() } };
    const { name, uid } = next.metadata;
    this.nodes.set(name, next);
    mark(this.taintedSince, uid, next.taints.some(isOurs), this.now);
    this.later(() => {
      this.gate.nodes.set(next);
      this.recordSelection(name);
    });
    return next;
  }

  protected identity(name: string, uid: string, namespace?: string) {
    return { name, ...(namespace !== undefined && { namespace }), uid, resourceVersion: this.version() };
  }

  protected version(): string {
    return String(1000 + ++this.count);
  }

  /** Kubernetes timestamps have a resolution of one second. */
  protected second(): number {
    return Math.floor(this.now / 1000) * 1000;
  }

  protected pick<T>(list: readonly T[]): T | undefined {
    return list[this.random(list.length)];
  }

  /** Stores a node in the gate's cache. */
  protected observe(node: GateNode): void {
    this.gate.nodes.observe(node);
    this.recordSelection(node.metadata.name);
  }

  protected recordSelection(name: string): void {
    const node = this.gate.snapshots.get(name)?.node;
    if (node) mark(this.unselectedSince, node.metadata.uid, !this.isSelected(node), this.now);
  }

  protected isReady(
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

  protected isSelected({ labels }: GateNode): boolean {
    return labels["cedana.ai/enabled"] === "true";
  }
}

function mark(since: Map<string, number>, key: string, holds: boolean, now: number): void {
  if (!holds) since.delete(key);
  else if (!since.has(key)) since.set(key, now);
}
