/** What an engine contributes to the objects of an install. Each engine has a directory here and a row in the table. */
import type { V1NetworkPolicyPort, V1NetworkPolicySpec, V1PolicyRule } from "@kubernetes/client-node";
import type { ApiObject } from "cdk8s";
import type { Construct } from "constructs";
import type { ResolvedEngine } from "../../../config/engines";
import type { ResolvedInstall } from "../../../config/install";

/** Checked input of the constructs of one engine. */
export interface EngineInput<E extends ResolvedEngine = ResolvedEngine> {
  readonly engine: E;
  readonly install: ResolvedInstall;
}

/** Objects on each node that every engine has. */
export interface AgentConstruct extends Construct {
  /** ServiceAccount of the helper. */
  readonly serviceAccount: ApiObject;
  /** DaemonSet of the helper, which installs on the node what checkpoints need. */
  readonly helper: ApiObject;
  /** DaemonSet of the health check. */
  readonly healthCheck: ApiObject;
}

/** All objects of an engine. */
export interface EngineConstruct extends Construct {
  readonly agent: AgentConstruct;
}

/** Permissions of a program in some or all namespaces, with the name of their Role. */
export interface NamespacedGrant {
  readonly id: string;
  readonly name: string;
  readonly namespaces: "all" | readonly string[];
  readonly rules: V1PolicyRule[];
}

/** Permissions that this toolkit's controller needs to checkpoint by the engine. */
export interface CheckpointGrants {
  /** Rules in the namespaces of Checkpoints, in addition to those on Checkpoints and pods. */
  readonly rules: readonly V1PolicyRule[];
  /** Permissions elsewhere. */
  readonly elsewhere: readonly NamespacedGrant[];
}

export interface IngressRule {
  readonly from?: readonly object[];
  readonly ports?: V1NetworkPolicyPort[];
}

export type EgressRule = NonNullable<V1NetworkPolicySpec["egress"]>[number];

/** NetworkPolicy of the pods of one component. Traffic without a rule is denied. */
export interface ComponentPolicy {
  readonly component: string;
  readonly namespace: string;
  readonly ingress?: readonly IngressRule[];
  readonly egress?: readonly EgressRule[];
}

/** NetworkPolicies of an engine. */
export interface EnginePolicies {
  readonly policies: readonly ComponentPolicy[];
  /** Egress of this toolkit's controller to the engine. */
  readonly controllerEgress: readonly EgressRule[];
}

/** Settings of the install's NetworkPolicies. */
export type PolicySettings = Exclude<ResolvedInstall["networkPolicies"], false>;

/** Functions that create the objects of an engine. */
export interface EngineConstructs<E extends ResolvedEngine> {
  /** Creates all objects of the engine. */
  create(scope: Construct, id: string, input: EngineInput<E>): EngineConstruct;
  checkpointGrants(input: EngineInput<E>): CheckpointGrants;
  networkPolicies(input: EngineInput<E>, settings: PolicySettings): EnginePolicies;
  /** Creates the DaemonSet that removes from the nodes what the helper installed. Absent if the engine has none. */
  createRemoval?(scope: Construct, id: string, input: EngineInput<E>): Construct;
}
