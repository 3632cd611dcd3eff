import type { V1PodDisruptionBudget, V1Service, V1ServiceAccount } from "@kubernetes/client-node";
import type { ApiObject } from "cdk8s";
import { Construct } from "constructs";
import { selectorLabels } from "../../../../config/install";
import type { EngineProps } from "../../input";
import { metadata, object } from "../../object";
import { bindEverywhere, clusterRole } from "../../rbac";
import { cedanaInputOf, type CedanaInput } from "./input";
import { managerDeployment } from "./manager-deployment";
import { METRICS_PROXY_RULES, METRICS_READER_RULES } from "./rbac";

/** Port of the manager's REST API. It has neither TLS nor authentication: only its clients may reach it. */
export const REST_PORT = 1324;

/** Cedana's manager: its Deployment, of whose replicas one is the leader, its REST Service and its disruption budget. */
export class Manager extends Construct {
  readonly deployment: ApiObject;
  readonly service: ApiObject;
  readonly disruptionBudget: ApiObject;
  /** Undefined with `manager.serviceAccount.create: false`. */
  readonly serviceAccount?: ApiObject;
  /** Only with `manager.metrics`. */
  readonly metrics?: ManagerMetrics;

  constructor(scope: Construct, id: string, props: EngineProps) {
    super(scope, id);
    const input = cedanaInputOf(this, props);
    const { engine, install, names } = input;
    const { namespace } = install;
    const { manager } = engine;
    const component = "manager";

    if (manager.serviceAccount.create) {
      this.serviceAccount = object<V1ServiceAccount>(this, "service-account", {
        apiVersion: "v1",
        kind: "ServiceAccount",
        metadata: metadata(install, {
          name: names.managerAccount,
          namespace,
          component,
          annotations: manager.serviceAccount.annotations,
        }),
        automountServiceAccountToken: false,
      });
    }
    this.deployment = object(this, "deployment", managerDeployment(input));
    this.service = object<V1Service>(this, "service", {
      apiVersion: "v1",
      kind: "Service",
      metadata: metadata(install, {
        name: names.managerService,
        namespace,
        component,
        annotations: manager.service.annotations,
      }),
      spec: {
        type: "ClusterIP",
        ports: [{ name: "rest", port: manager.service.port, protocol: "TCP", targetPort: "rest" }],
        selector: selectorLabels(install, component),
      },
    });
    this.disruptionBudget = object<V1PodDisruptionBudget>(this, "disruption-budget", {
      apiVersion: "policy/v1",
      kind: "PodDisruptionBudget",
      metadata: metadata(install, { name: names.manager, namespace, component }),
      spec: {
        maxUnavailable: manager.maxUnavailable,
        selector: { matchLabels: selectorLabels(install, component) },
      },
    });
    if (manager.metrics) this.metrics = new ManagerMetrics(this, "metrics", input, manager.metrics);
  }
}

type Metrics = Exclude<CedanaInput["engine"]["manager"]["metrics"], false>;

/** Metrics of the manager for Prometheus: Service, permissions of the proxy, and those of the readers. */
export class ManagerMetrics extends Construct {
  readonly service: ApiObject;

  constructor(scope: Construct, id: string, { install, names }: CedanaInput, metrics: Metrics) {
    super(scope, id);
    const { namespace } = install;
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
              // The proxy creates its certificate at start, so its CA cannot be configured.
              tlsConfig: { insecureSkipVerify: true },
            },
          ],
        },
      });
    }
  }
}
