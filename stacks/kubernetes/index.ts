/**
 * The Kubernetes side of a platform as charts.
 * @module cedana-cdk/stacks/kubernetes
 */
import { ApiObject, Chart, type App } from "cdk8s";
import type { Construct } from "constructs";
import { kindsOf } from "../../api";
import { restoreOf } from "../../config/engines";
import { gateOwner, policiesOf } from "../../config/install";
import { Controller } from "../../constructs/kubernetes/controller";
import { Crd, CrdGuard } from "../../constructs/kubernetes/crds";
import { constructsOf, type EngineConstruct } from "../../constructs/kubernetes/engines";
import { inputOf, type EngineProps } from "../../constructs/kubernetes/input";
import { KueueQueues } from "../../constructs/kubernetes/integrations/kueue";
import { SystemNamespace } from "../../constructs/kubernetes/namespace";
import { SystemNetworkPolicies } from "../../constructs/kubernetes/network-policy";
import { ReadinessGate } from "../../constructs/kubernetes/readiness-gate";
import { Restore } from "../../constructs/kubernetes/restore";
import type { Platform } from "../../config/platform";
import { NodePools } from "../../constructs/kubernetes/integrations/karpenter";

/** Argo CD's sync wave of each kind; 0 for other kinds, such as Deployments. */
const WAVES: Readonly<Record<string, number>> = {
  Namespace: -3,
  CustomResourceDefinition: -3,
  ServiceAccount: -2,
  ConfigMap: -2,
  ClusterRole: -2,
  Role: -2,
  RuntimeClass: -2,
  NetworkPolicy: -2,
  ValidatingAdmissionPolicy: -2,
  ClusterRoleBinding: -1,
  RoleBinding: -1,
  ValidatingAdmissionPolicyBinding: -1,
  // After the Deployment that serves the webhook.
  MutatingWebhookConfiguration: 1,
  ResourceFlavor: -1,
};

/**
 * Returns the wave in which Argo CD applies objects of a kind: dependencies before programs, which are in wave 0. Argo CD waits
 * until the objects of a wave are healthy.
 */
function syncWave(kind: string): number {
  return WAVES[kind] ?? 0;
}

export interface CedanaChartProps extends EngineProps {}

/** All Kubernetes objects of an install. The constructs that create them are its read-only properties. */
export class CedanaChart extends Chart {
  /** Undefined with `createNamespace: false`. */
  readonly namespaces?: SystemNamespace;
  /** By kind: `crds.Checkpoint`. Only the kinds that the engine uses. Empty with `crds: false`. */
  readonly crds: Readonly<Record<string, Crd>>;
  /** Denies the deletion of the CRDs. Undefined with `crds: false`. */
  readonly crdGuard?: CrdGuard;
  /** Objects of the engine: a `CedanaEngine` or a `CriuEngine`. */
  readonly engine: EngineConstruct;
  /** Undefined with `networkPolicies: false`. */
  readonly networkPolicies?: SystemNetworkPolicies;
  /** Only with `controller`. */
  readonly controller?: Controller;
  /** Only with `readinessGate.owner: nodeReadinessRule`. */
  readonly readinessGate?: ReadinessGate;
  /** Only if the engine restores by an admission webhook, and `restore` is enabled. */
  readonly restore?: Restore;
  /** Only with `kueue`. */
  readonly kueue?: KueueQueues;

  /** @throws InvalidInputError with all problems of `engine` and `install` */
  constructor(scope: Construct, id: string, props: CedanaChartProps) {
    super(scope, id);
    const input = inputOf(this, props);
    const { engine, install } = input;

    if (install.createNamespace) this.namespaces = new SystemNamespace(this, "namespace", input);
    const kinds = install.crds ? kindsOf(engine.kind, policiesOf(install) !== false) : [];
    this.crds = Object.fromEntries(
      kinds.map((kind) => [kind.kind, new Crd(this, kind.crdName, { ...input, kind })]),
    );
    if (kinds.length > 0) this.crdGuard = new CrdGuard(this, "crd-guard", { ...input, kinds });
    if (install.networkPolicies) {
      this.networkPolicies = new SystemNetworkPolicies(this, "network-policies", input);
    }
    this.engine = constructsOf(engine).create(this, "engine", input);
    if (install.controller) this.controller = new Controller(this, "controller", input);
    if (gateOwner(install) === "nodeReadinessRule") {
      this.readinessGate = new ReadinessGate(this, "readiness-gate", input);
    }
    if (restoreOf(engine, install)) this.restore = new Restore(this, "restore", input);
    if (install.kueue) this.kueue = new KueueQueues(this, "kueue", input);
    if (install.syncWaves) this.addSyncWaves();
  }

  private addSyncWaves(): void {
    for (const child of this.node.findAll()) {
      if (ApiObject.isApiObject(child)) {
        child.metadata.addAnnotation("argocd.argoproj.io/sync-wave", String(syncWave(child.kind)));
      }
    }
  }
}

/**
 * Adds the Kubernetes side of a platform to a cdk8s app: the chart `cedana` if there is an engine, the chart `karpenter`
 * if there are node pools.
 * @param platform - as `readPlatform` or `resolvePlatform` returned it
 */
export function chartsFromPlatform(app: App, platform: Platform): Chart[] {
  const { engine, install, karpenter } = platform;
  const charts: Chart[] = [];
  if (engine) charts.push(new CedanaChart(app, "cedana", { engine, install }));
  const cluster = platform.cluster ?? platform.existingCluster;
  if (cluster && karpenter && karpenter.nodePools.length > 0) {
    const chart = new Chart(app, "karpenter");
    new NodePools(chart, "pools", {
      ...karpenter,
      clusterName: cluster.name,
      kubernetesVersion: cluster.version,
    });
    charts.push(chart);
  }
  return charts;
}
