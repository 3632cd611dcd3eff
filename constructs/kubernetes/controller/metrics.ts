import type { V1Service } from "@kubernetes/client-node";
import type { ApiObject } from "cdk8s";
import { Construct } from "constructs";
import { namesOf, selectorLabels, type ResolvedInstall } from "../../../config/install";
import { metadata, object } from "../object";
import { METRICS_PORT } from "./deployment";

type Metrics = Exclude<Exclude<ResolvedInstall["controller"], false>["metrics"], false>;

/** Lets Prometheus find the controller's metrics. Who may read them the network policy says. */
export class ControllerMetrics extends Construct {
  readonly service: ApiObject;
  /** Only with `serviceMonitor`. */
  readonly serviceMonitor?: ApiObject;

  constructor(scope: Construct, id: string, install: ResolvedInstall, metrics: Metrics) {
    super(scope, id);
    const component = "controller";
    const { namespace } = install;
    const about = metadata(install, { name: namesOf(install).controller, namespace, component });
    const selector = selectorLabels(install, component);

    this.service = object<V1Service>(this, "service", {
      apiVersion: "v1",
      kind: "Service",
      metadata: about,
      spec: {
        type: "ClusterIP",
        ports: [{ name: "metrics", port: METRICS_PORT, protocol: "TCP", targetPort: "metrics" }],
        selector,
      },
    });
    if (!metrics.serviceMonitor) return;
    this.serviceMonitor = object(this, "service-monitor", {
      apiVersion: "monitoring.coreos.com/v1",
      kind: "ServiceMonitor",
      metadata: about,
      spec: {
        selector: { matchLabels: selector },
        endpoints: [{ port: "metrics", path: "/metrics", scheme: "http" }],
      },
    });
  }
}
