import type { V1NetworkPolicySpec } from "@kubernetes/client-node";
import type { ApiObject } from "cdk8s";
import { Construct } from "constructs";
import { restoreOf } from "../../../config/engines";
import { destinationsOf, policiesOf, portOf, selectorLabels } from "../../../config/install";
import { POLICY_WEBHOOK_PORT, WEBHOOK_PORT } from "../../../config/programs/controller";
import { METRICS_PORT } from "../controller";
import { constructsOf } from "../engines";
import type {
  ComponentPolicy,
  EngineInput,
  EnginePolicies,
  IngressRule,
  PolicySettings,
} from "../engines/engine";
import { enabled, inputOf, type EngineProps } from "../input";
import { metadata, object } from "../object";
import { API_PORTS, DNS, fromNamespaces, fromRanges, tcp } from "./rules";

/** NetworkPolicySpec with the field names of the API: the generated type renames `from`. */
interface PolicySpec extends Omit<V1NetworkPolicySpec, "ingress"> {
  readonly ingress?: readonly IngressRule[];
}

/**
 * Limits the traffic of the install's pods to what they need: by default, no connections to them are allowed. The kubelet's
 * probes always pass. Pods in the network of their node are not subject to any policy.
 */
export class SystemNetworkPolicies extends Construct {
  readonly policies: readonly ApiObject[];

  constructor(scope: Construct, id: string, props: EngineProps) {
    super(scope, id);
    const input = inputOf(this, props);
    const { engine, install } = input;
    const settings = enabled(this, ["install", "networkPolicies"], install.networkPolicies);
    const engines = constructsOf(engine).networkPolicies(input, settings);
    const policies = [...controllerPolicy(input, settings, engines), ...engines.policies];
    this.policies = policies.map(({ component, namespace, ingress = [], egress = [] }) =>
      object<{ spec: PolicySpec }>(this, component, {
        apiVersion: "networking.k8s.io/v1",
        kind: "NetworkPolicy",
        metadata: metadata(install, { name: `${install.name}-${component}`, namespace, component }),
        spec: {
          podSelector: { matchLabels: selectorLabels(install, component) },
          policyTypes: ["Ingress", "Egress"],
          ...(ingress.length === 0 ? {} : { ingress }),
          ...(egress.length === 0 ? {} : { egress: [...egress] }),
        },
      }),
    );
  }
}

function controllerPolicy(
  { engine, install }: EngineInput,
  { apiServerRanges, egressPorts = [...API_PORTS] }: PolicySettings,
  { controllerEgress }: EnginePolicies,
): ComponentPolicy[] {
  const { controller, namespace } = install;
  if (!controller) return [];
  const metrics = controller.metrics ? controller.metrics.allowFromNamespaces : [];
  const policies = policiesOf(install);
  const requests = policies && policies.webhook;
  const receiverPorts = [...new Set(destinationsOf(install).map(portOf))].filter(
    (port) => !egressPorts.includes(port),
  );
  return [
    {
      component: "controller",
      namespace,
      ingress: [
        ...fromNamespaces(metrics, [METRICS_PORT]),
        ...(restoreOf(engine, install) ? [fromRanges(apiServerRanges, [WEBHOOK_PORT])] : []),
        ...(requests ? fromNamespaces(requests.allowFromNamespaces, [POLICY_WEBHOOK_PORT]) : []),
        // Without a range no address is permitted, unlike for the API server.
        ...(requests && requests.allowFromRanges.length > 0
          ? [fromRanges(requests.allowFromRanges, [POLICY_WEBHOOK_PORT])]
          : []),
      ],
      // No selector matches a receiver by its name.
      egress: [DNS, { ports: [...egressPorts, ...receiverPorts].map(tcp) }, ...controllerEgress],
    },
  ];
}
