import { daemonPort, type ResolvedCedanaEngine } from "../../../../config/engines/cedana";
import { platformOf } from "../../../../config/engines";
import { agentNamespace, checkpointsOf } from "../../../../config/install";
import { API_PORTS, DNS, fromNamespaces, podsOf, tcp } from "../../network-policy/rules";
import type { EngineInput, EnginePolicies, PolicySettings } from "../engine";
import { REST_PORT } from "./manager";

const METRICS_PROXY_PORT = 8443;
/** RabbitMQ of the platform, with and without TLS. */
const QUEUE_PORTS = [5671, 5672];

/**
 * Returns the policies of manager, health check and Dynamo watcher. Manager and watcher reach the API server, the platform and
 * the cluster's DNS. The health check has no traffic except with its node. The helper uses the network of its node, to which
 * no policy applies.
 */
export function networkPolicies(
  { engine, install }: EngineInput<ResolvedCedanaEngine>,
  { egressPorts = [...API_PORTS, ...QUEUE_PORTS] }: PolicySettings,
): EnginePolicies {
  const { dynamoWatcher, manager } = engine;
  const { namespace } = install;
  const rest = [tcp(REST_PORT)];
  const hasCheckpoints = checkpointsOf(install) !== false;
  const daemon = engine.exposeDaemon ? daemonPort(engine) : undefined;
  const ports = new Set([
    ...egressPorts,
    platformPort(engine.url),
    ...(daemon === undefined ? [] : [daemon]),
  ]);
  const egress = [DNS, { ports: [...ports].map(tcp) }];
  return {
    policies: [
      {
        component: "manager",
        namespace,
        ingress: [
          ...fromNamespaces(engine.networkPolicies.allowIngressFromNamespaces, [
            REST_PORT,
            ...(manager.metrics ? [METRICS_PROXY_PORT] : []),
          ]),
          ...(hasCheckpoints ? [{ from: [podsOf(install, "controller")], ports: rest }] : []),
        ],
        egress,
      },
      { component: "health-check", namespace: agentNamespace(install) },
      ...(dynamoWatcher ? [{ component: "dynamo-watcher", namespace, egress } as const] : []),
    ],
    controllerEgress: [
      ...(hasCheckpoints ? [{ to: [podsOf(install, "manager")], ports: rest }] : []),
      ...(platformOf(engine, install) ? [{ ports: [tcp(platformPort(engine.url))] }] : []),
    ],
  };
}

/** Returns the port of an https:// URL. A URL that only Terraform knows is assumed to have the default port. */
function platformPort(url: string): number {
  return Number(/^https:\/\/[^/]*:(\d+)(?:\/|$)/.exec(url)?.[1] ?? 443);
}
