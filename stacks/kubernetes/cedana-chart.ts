import { ApiObject, Chart } from "cdk8s";
import type { Construct } from "constructs";
import { kindsOf } from "../../api";
import { Agent } from "../../constructs/kubernetes/agent";
import { AttachAccount } from "../../constructs/kubernetes/attach-account";
import { EngineConfig } from "../../constructs/kubernetes/config";
import { Controller } from "../../constructs/kubernetes/controller";
import { Crd } from "../../constructs/kubernetes/crds";
import { DynamoWatcher } from "../../constructs/kubernetes/dynamo-watcher";
import { KueueQueues } from "../../constructs/kubernetes/kueue";
import { Manager } from "../../constructs/kubernetes/manager";
import { SystemNamespace } from "../../constructs/kubernetes/namespace";
import { SystemNetworkPolicies } from "../../constructs/kubernetes/network-policy";
import { ManagerRbac } from "../../constructs/kubernetes/rbac";
import { ReadinessGate } from "../../constructs/kubernetes/readiness-gate";
import { Restore } from "../../constructs/kubernetes/restore";
import { CedanaRuntimeClass } from "../../constructs/kubernetes/runtime-class";
import { inputOf, type EngineProps } from "../../constructs/kubernetes/input";
import { syncWave } from "./sync-wave";

export interface CedanaChartProps extends EngineProps {}

/** All Kubernetes objects of an install. The constructs that create them are its read-only properties. */
export class CedanaChart extends Chart {
  /** Undefined with `createNamespace: false`. */
  readonly namespaces?: SystemNamespace;
  /** By kind: `crds.Checkpoint`. Only the kinds that the engine uses; empty with `crds: false`. */
  readonly crds: Readonly<Record<string, Crd>>;
  /** Like all properties below that can be undefined: only with the engine `cedana`. */
  readonly runtimeClass?: CedanaRuntimeClass;
  readonly config?: EngineConfig;
  readonly rbac?: ManagerRbac;
  readonly agent: Agent;
  readonly manager?: Manager;
  readonly controller: Controller;
  readonly readinessGate: ReadinessGate;
  /** Empty with the engine `cedana`. */
  readonly restore: Restore;
  readonly networkPolicies: SystemNetworkPolicies;
  readonly attachAccount?: AttachAccount;
  readonly dynamoWatcher?: DynamoWatcher;
  readonly kueue: KueueQueues;

  /** @throws InvalidInputError with all problems of `engine` and `install`. */
  constructor(scope: Construct, id: string, props: CedanaChartProps) {
    super(scope, id);
    const { engine, install } = inputOf(this, props);
    const input = { engine, install };

    if (install.createNamespace) this.namespaces = new SystemNamespace(this, "namespace", input);
    const cedana = engine.kind === "cedana";
    const kinds = install.crds ? kindsOf(engine.kind) : [];
    this.crds = Object.fromEntries(
      kinds.map((kind) => [kind.kind, new Crd(this, kind.crdName, { ...input, kind })]),
    );
    if (cedana) {
      this.runtimeClass = new CedanaRuntimeClass(this, "runtime-class", input);
      this.config = new EngineConfig(this, "config", input);
    }
    this.networkPolicies = new SystemNetworkPolicies(this, "network-policies", input);
    if (cedana) this.rbac = new ManagerRbac(this, "rbac", input);
    this.agent = new Agent(this, "agent", input);
    if (cedana) this.manager = new Manager(this, "manager", input);
    this.controller = new Controller(this, "controller", input);
    this.readinessGate = new ReadinessGate(this, "readiness-gate", input);
    this.restore = new Restore(this, "restore", input);
    if (cedana) {
      this.dynamoWatcher = new DynamoWatcher(this, "dynamo-watcher", input);
      this.attachAccount = new AttachAccount(this, "attach-account", input);
    }
    this.kueue = new KueueQueues(this, "kueue", input);

    if (!install.syncWaves) return;
    for (const child of this.node.findAll()) {
      if (ApiObject.isApiObject(child)) {
        child.metadata.addAnnotation("argocd.argoproj.io/sync-wave", String(syncWave(child.kind)));
      }
    }
  }
}
