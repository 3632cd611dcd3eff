import { applyPatch, type Operation } from "fast-json-patch";
import {
  decideCondition,
  decideTaint,
  taintPatch,
  type Cause,
  type GateNode,
  type Taint,
} from "../../../../controller/readiness/rules";
import { AGENTS, NAMESPACE, OURS } from "./support";
import {
  FAIL_OPEN_S,
  FOREIGN,
  isOurs,
  keyOf,
  LAG_MS,
  NAMES,
  UNREGISTERED,
  SimulatedCluster,
  type TruePod,
} from "./simulated-cluster";

/** The gate in a cluster: each step is one random event. Checks the guarantees after each write. */
export class Cluster extends SimulatedCluster {
  readonly violations: string[] = [];
  readonly causes = new Set<Cause>();

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
    else if (choice < 94) this.rebootOrRegister(name);
    else if (choice < 95) this.restart();
    else if (choice < 96) this.upgrade();
    else if (choice < 97) this.uninstall(this.random(2) ? AGENTS : [agent]);
    else if (choice < 99) this.install();
    else if (this.random(4) === 0) this.settle();
  }

  /** Lets only time pass and checks the state after minutes. */
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
    const uninstalled = this.daemonSets.size === 0 && this.known;
    if (!this.isSelected(node)) {
      if (node.taints.some(({ key }) => key === UNREGISTERED)) return;
      expectClean("G7 not selected");
      if (node.condition) this.violations.push(`G7 not selected: ${name} has the condition after minutes`);
    } else if (uninstalled) {
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

  /** Reconciles a node as a worker does. */
  private reconcile(name: string): void {
    for (let attempt = 0; attempt < 5; attempt++) {
      const snapshot = this.gate.snapshots.get(name);
      const change = snapshot && decideTaint(snapshot).change;
      if (!snapshot || !change) break;
      const live = this.nodes.get(name);
      if (!live) return;
      const patch = taintPatch(snapshot.node, change.operation, this.settings.taint);
      const taints = patch && this.patched(live, patch as unknown as Operation[]);
      if (!taints) {
        this.observe(live);
        continue;
      }
      this.checkWrite(name, live, taints, change);
      this.causes.add(change.cause);
      this.observe(this.putNode({ ...live, taints }));
      this.gate.snapshots.recordWrite(name, {
        ...(change.operation === "remove" && { removed: true }),
        ...(change.cause === "FailedOpen" && { failedOpen: true }),
      });
    }
    this.writeCondition(name);
  }

  private writeCondition(name: string): void {
    const snapshot = this.gate.snapshots.get(name);
    const live = this.nodes.get(name);
    if (!snapshot || !live || decideTaint(snapshot).change) return;
    const { change } = decideCondition(snapshot);
    if (!change || live.metadata.uid !== snapshot.node.metadata.uid) return;
    const { condition: _old, ...rest } = live;
    const condition = change === "remove" ? {} : { condition: { ...change, lastTransitionTime: "" } };
    this.observe(this.putNode({ ...rest, ...condition }));
    this.gate.snapshots.recordWrite(name, { condition: true });
  }

  /** Returns the taints after a JSON Patch; undefined if a test in it fails. */
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
    if (this.gate.nodes.get(name)?.deleting) violated("node is being deleted");
    const { uid } = live.metadata;
    const seen = new Map(
      this.gate.pods.list().map((pod) => [`${NAMESPACE}/${pod.metadata.name}`, pod as TruePod]),
    );
    const since = (map: ReadonlyMap<string, number>) => this.now - (map.get(uid) ?? Infinity);
    switch (cause) {
      case "Ready":
        if (!this.isReady(name, live, seen, this.gate.daemonSets.list())) violated("G1 not ready");
        break;
      case "Orphaned":
        if (since(this.unselectedSince) < 60_000) violated("not an orphan for long");
        break;
      case "Uninstalled":
        if (this.now - (this.uninstalledSince ?? Infinity) < 60_000) violated("G1 not uninstalled for long");
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
        if (this.lost() > 1) violated("G10 too many unready");
      }
    }
  }

  /** Returns the number of started nodes that lack an agent in the gate's stores. */
  private lost(): number {
    return this.gate.nodes.list().filter((node) => {
      const { name, uid } = node.metadata;
      const started = !node.taints.some(isOurs) || node.condition?.reason === "AgentLost";
      const exists = this.nodes.get(name)?.metadata.uid === uid && !node.deleting && this.isSelected(node);
      const serves = AGENTS.every((agent) => {
        const pod = this.gate.pods.get(keyOf(agent, name));
        return pod?.ready === true && !pod.deleting;
      });
      return exists && started && !serves;
    }).length;
  }

  private isServing(name: string): boolean {
    return AGENTS.every((agent) => this.pods.get(keyOf(agent, name))?.ready === true);
  }
}
