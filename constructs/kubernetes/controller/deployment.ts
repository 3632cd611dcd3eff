import type { V1Container, V1Deployment, V1Service, V1Volume, V1VolumeMount } from "@kubernetes/client-node";
import type { ApiObject } from "cdk8s";
import { Construct } from "constructs";
import type { SecretRef } from "../../../config/engines";
import { CONTROLLER_CREDENTIALS } from "../../../config/engines/node-agent";
import {
  deleteArtifactsOf,
  gateToleration,
  namesOf,
  selectorLabels,
  type ResolvedInstall,
} from "../../../config/install";
import { PLATFORM_TOKEN, type ControllerSettings } from "../../../config/programs/controller";
import { metadata, object, type Manifest } from "../object";
import { alarmsRule } from "./alarms";
import { dashboardConfigMap } from "./dashboard";
import { UNPRIVILEGED, image, placementOf } from "../pod";

/** Port on which the controller serves its metrics over plain HTTP. */
export const METRICS_PORT = 8080;
const PROBE_PORT = 8081;
/** User and group of the image (image/controller). */
const USER = 65_532;
const SETTINGS_DIRECTORY = "/etc/cedana-controller";
/** Key in the ConfigMap, and name of the mounted file. */
export const SETTINGS_FILE = "settings.json";

type Settings = Exclude<ResolvedInstall["controller"], false>;

/**
 * Returns the Deployment of the controller.
 * @param hash of the settings; a change restarts the pods
 * @param webhookPorts ports of the controller's webhooks, by name
 * @param platformToken token of the platform in which policies are mirrored. Undefined: none are mirrored
 */
export function controllerDeployment(
  install: ResolvedInstall,
  controller: Settings,
  hash: string,
  webhookPorts: Readonly<Record<string, number>>,
  platformToken: SecretRef | undefined,
): Manifest<V1Deployment> {
  const names = namesOf(install);
  const component = "controller";
  const selector = selectorLabels(install, component);
  const mounts = [registryCredentials(install), platformCredentials(platformToken)];
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: metadata(install, { name: names.controller, namespace: install.namespace, component }),
    spec: {
      replicas: controller.replicas,
      selector: { matchLabels: selector },
      // A running pod is replaced only after the new one has become Ready.
      strategy: { type: "RollingUpdate", rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } },
      template: {
        metadata: {
          labels: { ...install.labels, ...controller.podLabels, ...selector },
          annotations: { ...controller.podAnnotations, "checksum/settings": hash },
        },
        spec: {
          serviceAccountName: names.controller,
          automountServiceAccountToken: true,
          securityContext: {
            runAsNonRoot: true,
            runAsUser: USER,
            runAsGroup: USER,
            seccompProfile: { type: "RuntimeDefault" },
          },
          ...placementOf(install, {
            ...controller,
            // The controller must run while all nodes are gated.
            tolerations: [gateToleration(install), ...controller.tolerations],
          }),
          // Work in flight ends within 10 s of SIGTERM, then the Lease is released.
          terminationGracePeriodSeconds: 30,
          topologySpreadConstraints: ["topology.kubernetes.io/zone", "kubernetes.io/hostname"].map(
            (topologyKey) => ({
              maxSkew: 1,
              topologyKey,
              whenUnsatisfiable: "ScheduleAnyway",
              labelSelector: { matchLabels: selector },
            }),
          ),
          containers: [
            container(
              controller,
              webhookPorts,
              mounts.flatMap(({ volumeMounts }) => volumeMounts),
            ),
          ],
          volumes: [
            { name: "settings", configMap: { name: names.controllerSettings } },
            ...mounts.flatMap(({ volumes }) => volumes),
          ],
        },
      },
    },
  };
}

interface Mounts {
  readonly volumes: V1Volume[];
  readonly volumeMounts: V1VolumeMount[];
}

/** Returns the mount of the platform's token. Without the Secret the controller runs, and reports that the token is missing. */
function platformCredentials(token: SecretRef | undefined): Mounts {
  if (!token) return { volumes: [], volumeMounts: [] };
  const name = "platform-token";
  const { directory: mountPath, file: path } = PLATFORM_TOKEN;
  const secret = { secretName: token.name, items: [{ key: token.key, path }], optional: true };
  return { volumes: [{ name, secret }], volumeMounts: [{ name, mountPath, readOnly: true }] };
}

/** Returns the mount of the Docker config.json with which artifacts are deleted, if the install has one. */
function registryCredentials(install: ResolvedInstall): Mounts {
  const deletion = deleteArtifactsOf(install);
  if (!deletion || !deletion.registryCredentials) return { volumes: [], volumeMounts: [] };
  const name = "registry-credentials";
  const { name: secretName, key } = deletion.registryCredentials;
  const { directory, file } = CONTROLLER_CREDENTIALS;
  return {
    volumes: [{ name, secret: { secretName, items: [{ key, path: file }] } }],
    volumeMounts: [{ name, mountPath: directory, readOnly: true }],
  };
}

function container(
  controller: Settings,
  webhookPorts: Readonly<Record<string, number>>,
  more: readonly V1VolumeMount[],
): V1Container {
  const probe = (path: string) => ({ httpGet: { path, port: "health" } });
  return {
    name: "controller",
    ...image(controller.image),
    args: [
      `--settings=${SETTINGS_DIRECTORY}/${SETTINGS_FILE}`,
      `--metrics-port=${METRICS_PORT}`,
      `--health-port=${PROBE_PORT}`,
    ],
    env: [
      // Holder identity in the Lease.
      { name: "POD_NAME", valueFrom: { fieldRef: { apiVersion: "v1", fieldPath: "metadata.name" } } },
      ...Object.entries(controller.env).map(([name, value]) => ({ name, value })),
    ],
    ports: [
      { name: "metrics", containerPort: METRICS_PORT, protocol: "TCP" },
      { name: "health", containerPort: PROBE_PORT, protocol: "TCP" },
      ...Object.entries(webhookPorts).map(([name, containerPort]) => ({
        name,
        containerPort,
        protocol: "TCP",
      })),
    ],
    resources: controller.resources,
    securityContext: UNPRIVILEGED,
    startupProbe: { ...probe("/healthz"), periodSeconds: 2, failureThreshold: 60 },
    livenessProbe: { ...probe("/healthz"), periodSeconds: 20, timeoutSeconds: 5 },
    readinessProbe: { ...probe("/readyz"), periodSeconds: 10, timeoutSeconds: 5 },
    volumeMounts: [{ name: "settings", mountPath: SETTINGS_DIRECTORY, readOnly: true }, ...more],
  };
}

type Metrics = Exclude<Exclude<ResolvedInstall["controller"], false>["metrics"], false>;

/** Makes the controller's metrics discoverable for Prometheus. The network policy limits which namespaces can read them. */
export class ControllerMetrics extends Construct {
  readonly service: ApiObject;
  /** Only with `serviceMonitor`. */
  readonly serviceMonitor?: ApiObject;
  /** Only with `prometheusRule`. */
  readonly prometheusRule?: ApiObject;
  /** ConfigMap. Only with `grafanaDashboard`. */
  readonly grafanaDashboard?: ApiObject;

  constructor(
    scope: Construct,
    id: string,
    install: ResolvedInstall,
    metrics: Metrics,
    settings: ControllerSettings,
  ) {
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
    if (metrics.prometheusRule)
      this.prometheusRule = object(this, "prometheus-rule", alarmsRule(install, settings));
    if (metrics.grafanaDashboard)
      this.grafanaDashboard = object(this, "grafana-dashboard", dashboardConfigMap(install));
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
