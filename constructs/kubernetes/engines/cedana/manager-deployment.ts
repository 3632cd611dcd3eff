import type { V1Container, V1Deployment } from "@kubernetes/client-node";
import { removesTaint } from "../../../../config/engines/cedana";
import { agentNamespace, gateToleration, selectorLabels } from "../../../../config/install";
import { configChecksum, environment } from "./config";
import type { CedanaInput } from "./input";
import { metadata, type Manifest } from "../../object";
import { image, placementOf, UNPRIVILEGED } from "../../pod";

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
      { name: "rest", containerPort: 1324, protocol: "TCP" },
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
