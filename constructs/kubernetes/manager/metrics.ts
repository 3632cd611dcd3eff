import type { V1Service } from "@kubernetes/client-node";
import type { ApiObject } from "cdk8s";
import { Construct } from "constructs";
import { namesOf, selectorLabels, type ResolvedInstall } from "../../../config/install";
import { metadata, object } from "../object";
import { bindEverywhere, clusterRole } from "../rbac/bindings";
import { METRICS_PROXY_RULES, METRICS_READER_RULES } from "../rbac/rules";

type Metrics = Exclude<ResolvedInstall["manager"]["metrics"], false>;

/** Lets Prometheus read the manager's metrics: Service, permission to ask who may, and those who may. */
export class ManagerMetrics extends Construct {
  readonly service: ApiObject;

  constructor(scope: Construct, id: string, install: ResolvedInstall, metrics: Metrics) {
    super(scope, id);
    const { namespace } = install;
    const names = namesOf(install);
    const component = "manager";
    const about = metadata(install, { name: names.metricsService, namespace, component });

    this.service = object<V1Service>(this, "service", {
      apiVersion: "v1",
      kind: "Service",
      metadata: about,
      spec: {
        type: metrics.serviceType,
        ports: [{ name: "https", port: 8443, protocol: "TCP", targetPort: "https" }],
        selector: selectorLabels(install, component),
      },
    });

    const proxy = { name: names.metricsProxy, component };
    clusterRole(this, install, "proxy", { ...proxy, rules: METRICS_PROXY_RULES });
    bindEverywhere(this, install, "proxy-binding", { ...proxy, role: proxy.name }, [
      { namespace, name: names.managerAccount },
    ]);

    const reader = { name: names.metricsReader, component };
    clusterRole(this, install, "reader", { ...reader, rules: METRICS_READER_RULES });
    if (metrics.readers.length > 0) {
      bindEverywhere(this, install, "reader-binding", { ...reader, role: reader.name }, metrics.readers);
    }
    if (metrics.serviceMonitor) {
      object(this, "service-monitor", {
        apiVersion: "monitoring.coreos.com/v1",
        kind: "ServiceMonitor",
        metadata: about,
        spec: {
          selector: { matchLabels: selectorLabels(install, component) },
          endpoints: [
            {
              port: "https",
              path: "/metrics",
              scheme: "https",
              bearerTokenFile: "/var/run/secrets/kubernetes.io/serviceaccount/token",
              // The proxy makes its certificate at start; nobody can know its authority.
              tlsConfig: { insecureSkipVerify: true },
            },
          ],
        },
      });
    }
  }
}
