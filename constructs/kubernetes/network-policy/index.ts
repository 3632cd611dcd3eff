import type { V1NetworkPolicyPort, V1NetworkPolicySpec } from "@kubernetes/client-node";
import type { ApiObject } from "cdk8s";
import { Construct } from "constructs";
import { daemonPort } from "../../core/engine";
import { agentNamespace, selectorLabels, type Component } from "../../core/install";
import { inputOf, type EngineProps } from "../input";
import { metadata, object } from "../object";
import { REST_PORT } from "../manager";

/** NetworkPolicySpec as the API has it; the generated type calls `from` otherwise. */
interface PolicySpec extends Omit<V1NetworkPolicySpec, "ingress"> {
  readonly ingress?: readonly { readonly from?: readonly object[]; readonly ports?: V1NetworkPolicyPort[] }[];
}

/**
 * Who may speak with the pods of the install: by default nobody may call the manager, which may reach the API server,
 * the platform and the cluster's DNS; the health check speaks with nobody but its node. The kubelet's own probes always
 * pass. Pods in the network of their node (the helper) are beyond any policy.
 */
export class SystemNetworkPolicies extends Construct {
  readonly policies: readonly ApiObject[];

  constructor(scope: Construct, id: string, props: EngineProps) {
    super(scope, id);
    const { engine, install } = inputOf(this, props);
    const { dynamoWatcher, manager, networkPolicies: settings } = install;
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
    const daemon = engine.exposeDaemon ? daemonPort(engine) : undefined;
    const ports = new Set([
      ...settings.egressPorts,
      platformPort(engine.url),
      ...(daemon === undefined ? [] : [daemon]),
    ]);
    const egress = [DNS, { ports: [...ports].map(tcp) }];
    const callers = settings.allowIngressFromNamespaces.map((matchLabels) => ({
      namespaceSelector: { matchLabels },
    }));

    this.policies = [
      policy("manager", install.namespace, {
        ...(callers.length === 0
          ? {}
          : {
              ingress: [{ from: callers, ports: [REST_PORT, ...(manager.metrics ? [8443] : [])].map(tcp) }],
            }),
        egress,
      }),
      policy("health-check", agentNamespace(install), {}),
      ...(dynamoWatcher ? [policy("dynamo-watcher", install.namespace, { egress })] : []),
    ];
  }
}

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
