import type { V1Container, V1Deployment, V1Service, V1ServiceAccount } from "@kubernetes/client-node";
import type { ApiObject } from "cdk8s";
import { Construct } from "constructs";
import { removesTaint } from "../../../../config/engines/cedana";
import { agentNamespace, gateToleration, selectorLabels } from "../../../../config/install";
import { configChecksum, environment } from "./config";
import { cedanaInputOf, type CedanaInput } from "./input";
import { metadata, object, type Manifest } from "../../object";
import { UNPRIVILEGED, disruptionBudget, image, placementOf } from "../../pod";
import type { EngineProps } from "../../input";
import { bindEverywhere, clusterRole } from "../../rbac";
import { METRICS_PROXY_RULES, METRICS_READER_RULES } from "./rbac";

/** Port of the manager's REST API. It has neither TLS nor authentication: only its clients may reach it. */
export const REST_PORT = 1324;
const PROBE_PORT = 8081;

/** Returns the Deployment of the manager. */
export function managerDeployment(input: CedanaInput): Manifest<V1Deployment> {
  const { engine, install, names } = input;
  const { manager } = engine;
  const selector = selectorLabels(install, "manager");
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: metadata(install, { name: names.manager, namespace: install.namespace, component: "manager" }),
    spec: {
      replicas: manager.replicas,
      revisionHistoryLimit: manager.revisionHistoryLimit,
      selector: { matchLabels: selector },
      template: {
        metadata: {
          labels: { ...install.labels, ...manager.podLabels, ...selector },
          annotations: {
            ...manager.podAnnotations,
            ...configChecksum(input, "manager"),
            "kubectl.kubernetes.io/default-container": "manager",
          },
        },
        spec: {
          serviceAccountName: names.managerAccount,
          automountServiceAccountToken: true,
          securityContext: { runAsNonRoot: true, seccompProfile: { type: "RuntimeDefault" } },
          ...placementOf(install, {
            ...manager,
            tolerations: manager.tolerations ?? [gateToleration(install)],
          }),
          terminationGracePeriodSeconds: manager.terminationGracePeriodSeconds,
          topologySpreadConstraints: ["topology.kubernetes.io/zone", "kubernetes.io/hostname"].map(
            (topologyKey) => ({
              maxSkew: 1,
              topologyKey,
              whenUnsatisfiable: "ScheduleAnyway",
              labelSelector: { matchLabels: selector },
            }),
          ),
          containers: [managerContainer(input), ...(manager.metrics ? [metricsProxy(manager.metrics)] : [])],
          volumes: [{ name: "tmp", emptyDir: { sizeLimit: "64Mi" } }],
        },
      },
    },
  };
}

function managerContainer(input: CedanaInput): V1Container {
  const { engine, install } = input;
  const { manager } = engine;
  // The manager reads its DaemonSets there.
  const agents = agentNamespace(install);
  return {
    name: "manager",
    ...image(manager.image),
    command: ["/manager"],
    args: [
      `--health-probe-bind-address=:${PROBE_PORT}`,
      "--metrics-bind-address=127.0.0.1:8080",
      "--leader-elect",
    ],
    env: [
      ...environment(input, "manager", {
        KUBERNETES_CLUSTER_DOMAIN: install.clusterDomain,
        CONTROLLER_NAMESPACE: agents,
        CEDANA_TAINT_NODES: String(removesTaint(engine, install)),
        ...manager.env,
      }),
    ],
    ports: [
      { name: "rest", containerPort: REST_PORT, protocol: "TCP" },
      { name: "health", containerPort: PROBE_PORT, protocol: "TCP" },
    ],
    resources: manager.resources,
    securityContext: UNPRIVILEGED,
    startupProbe: {
      httpGet: { path: "/healthz", port: "health" },
      periodSeconds: 5,
      failureThreshold: 24,
    },
    livenessProbe: { httpGet: { path: "/healthz", port: "health" }, periodSeconds: 20 },
    readinessProbe: { httpGet: { path: "/readyz", port: "health" }, periodSeconds: 10 },
    volumeMounts: [{ name: "tmp", mountPath: "/tmp" }],
  };
}

type Metrics = Exclude<CedanaInput["engine"]["manager"]["metrics"], false>;

/** Returns the proxy that serves the metrics of the loopback address to clients that the API server authorizes. */
function metricsProxy(metrics: Metrics): V1Container {
  return {
    name: "metrics-proxy",
    ...image(metrics.image),
    args: [
      "--secure-listen-address=0.0.0.0:8443",
      "--upstream=http://127.0.0.1:8080/",
      "--allow-paths=/metrics",
    ],
    ports: [{ name: "https", containerPort: 8443, protocol: "TCP" }],
    resources: metrics.resources,
    securityContext: { ...UNPRIVILEGED, runAsUser: 65_532 },
  };
}

/** Cedana's manager: Deployment, REST Service and disruption budget. One of its replicas is the leader. */
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
    this.disruptionBudget = disruptionBudget(
      this,
      metadata(install, { name: names.manager, namespace, component }),
      { maxUnavailable: manager.maxUnavailable, matchLabels: selectorLabels(install, component) },
    );
    if (manager.metrics) this.metrics = new ManagerMetrics(this, "metrics", input, manager.metrics);
  }
}

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
