import type { V1NetworkPolicyPort, V1NetworkPolicySpec } from "@kubernetes/client-node";
import type { ApiObject } from "cdk8s";
import { Construct } from "constructs";
import {
  credentialsOf,
  daemonPort,
  isNodesOwn,
  registryPort,
  type ResolvedEngine,
} from "../../../config/engines";
import { WEBHOOK_PORT } from "../../../config/programs/controller";
import {
  agentNamespace,
  checkpointsOf,
  restoreOf,
  selectorLabels,
  type Component,
} from "../../../config/install";
import { inputOf, type EngineProps } from "../input";
import { metadata, object } from "../object";
import { METRICS_PORT } from "../controller";
import { REST_PORT } from "../manager";

interface IngressRule {
  readonly from?: readonly object[];
  readonly ports?: V1NetworkPolicyPort[];
}

/** NetworkPolicySpec as the API has it; the generated type calls `from` otherwise. */
interface PolicySpec extends Omit<V1NetworkPolicySpec, "ingress"> {
  readonly ingress?: readonly IngressRule[];
}

type EgressRules = NonNullable<V1NetworkPolicySpec["egress"]>;

/**
 * Who may speak with the pods of the install: by default nobody may call the manager, which may reach the API server,
 * the platform and the cluster's DNS; Cedana's health check speaks with nobody but its node; agents of the engine `kubelet` reach
 * the API server, their kubelet and the registry, and nobody reaches them. The kubelet's own probes always
 * pass. Pods in the network of their node (the helper) are beyond any policy.
 */
export class SystemNetworkPolicies extends Construct {
  readonly policies: readonly ApiObject[];

  constructor(scope: Construct, id: string, props: EngineProps) {
    super(scope, id);
    const { engine, install } = inputOf(this, props);
    const { controller, dynamoWatcher, manager, networkPolicies: settings } = install;
    if (!settings) {
      this.policies = [];
      return;
    }
    const policy = (component: Component, namespace: string, spec: Partial<PolicySpec>): ApiObject =>
      object<{ spec: PolicySpec }>(this, component, {
        apiVersion: "networking.k8s.io/v1",
        kind: "NetworkPolicy",
        metadata: metadata(install, { name: `${install.name}-${component}`, namespace, component }),
        spec: {
          podSelector: { matchLabels: selectorLabels(install, component) },
          policyTypes: ["Ingress", "Egress"],
          ...spec,
        },
      });
    const tcp = (port: number): V1NetworkPolicyPort => ({ port, protocol: "TCP" });
    const egress = [DNS, { ports: [...cedanaPorts(engine, settings.egressPorts)].map(tcp) }];
    const fromNamespaces = (
      all: readonly Record<string, string>[],
      ports: readonly number[],
    ): IngressRule[] =>
      all.length === 0
        ? []
        : [
            {
              from: all.map((matchLabels) => ({ namespaceSelector: { matchLabels } })),
              ports: ports.map(tcp),
            },
          ];
    const pods = (component: Component) => ({
      podSelector: { matchLabels: selectorLabels(install, component) },
    });
    const withIngress = (rules: readonly IngressRule[]) => (rules.length === 0 ? {} : { ingress: rules });
    const cedana = engine.kind === "cedana";
    const checkpoints = cedana && checkpointsOf(install) !== false;
    const rest = [tcp(REST_PORT)];

    this.policies = [
      ...(cedana
        ? [
            policy("manager", install.namespace, {
              ...withIngress([
                ...fromNamespaces(settings.allowIngressFromNamespaces, [
                  REST_PORT,
                  ...(manager.metrics ? [8443] : []),
                ]),
                ...(checkpoints ? [{ from: [pods("controller")], ports: rest }] : []),
              ]),
              egress,
            }),
          ]
        : []),
      ...(controller
        ? [
            policy("controller", install.namespace, {
              ...withIngress([
                ...fromNamespaces(controller.metrics ? controller.metrics.allowFromNamespaces : [], [
                  METRICS_PORT,
                ]),
                // The API server calls from outside of the cluster: no selector knows it.
                ...(restoreOf(engine.kind, install) ? [{ ports: [tcp(WEBHOOK_PORT)] }] : []),
              ]),
              egress: [
                DNS,
                { ports: settings.egressPorts.map(tcp) },
                ...(checkpoints ? [{ to: [pods("manager")], ports: rest }] : []),
              ],
            }),
          ]
        : []),
      ...agentEgress(engine, settings.egressPorts).map(([component, egress]) =>
        policy(component, agentNamespace(install), egress.length === 0 ? {} : { egress }),
      ),
      ...(dynamoWatcher ? [policy("dynamo-watcher", install.namespace, { egress })] : []),
    ];
  }
}

/** Where programs of Cedana go: the API server and the platform. */
function cedanaPorts(engine: ResolvedEngine, egressPorts: readonly number[]): Set<number> {
  if (engine.kind !== "cedana") return new Set(egressPorts);
  const daemon = engine.exposeDaemon ? daemonPort(engine) : undefined;
  return new Set([...egressPorts, platformPort(engine.url), ...(daemon === undefined ? [] : [daemon])]);
}

/**
 * Where the agents go. Cedana's health check speaks with its node only, and its helper is in the network of the node, where
 * no policy holds.
 */
function agentEgress(
  engine: ResolvedEngine,
  egressPorts: readonly number[],
): (readonly [Component, EgressRules])[] {
  if (engine.kind === "cedana") return [["health-check", []]];
  if (isNodesOwn(engine)) return [];
  const to = (...ports: readonly number[]): EgressRules => [
    DNS,
    {
      ports: [...new Set([...egressPorts, registryPort(engine), ...ports])].map((port) => ({
        port,
        protocol: "TCP",
      })),
    },
    ...(credentialsOf(engine) === "ecr" ? [POD_IDENTITY] : []),
  ];
  return [
    ["helper", to(KUBELET_PORT)],
    ["health-check", to()],
  ];
}

const KUBELET_PORT = 10_250;

/** The agent of EKS Pod Identity on the pod's own node. */
const POD_IDENTITY = {
  to: [{ ipBlock: { cidr: "169.254.170.23/32" } }, { ipBlock: { cidr: "fd00:ec2::23/128" } }],
  ports: [{ port: 80, protocol: "TCP" }],
};

/** Port of an https:// URL. One that only Terraform knows is taken to be the usual one. */
function platformPort(url: string): number {
  return Number(/^https:\/\/[^/]*:(\d+)(?:\/|$)/.exec(url)?.[1] ?? 443);
}

const DNS = {
  ports: [
    { port: 53, protocol: "UDP" },
    { port: 53, protocol: "TCP" },
  ],
};
