import type { V1Deployment, V1ServiceAccount } from "@kubernetes/client-node";
import type { ApiObject } from "cdk8s";
import { Construct } from "constructs";
import { namesOf, selectorLabels } from "../../../config/install";
import { configChecksum, environment } from "../environment";
import { cedanaInputOf, type EngineProps } from "../input";
import { metadata, object } from "../object";
import { image, placementOf, UNPRIVILEGED } from "../pod";
import { grantWhere } from "../rbac/bindings";
import { dynamoRules } from "../rbac/rules";

/**
 * The watcher that tells the platform of NVIDIA Dynamo's graphs and acts on its requests, in the namespaces it is given
 * and no other. None is made with `dynamoWatcher: false`.
 */
export class DynamoWatcher extends Construct {
  readonly deployment?: ApiObject;
  readonly serviceAccount?: ApiObject;

  constructor(scope: Construct, id: string, props: EngineProps) {
    super(scope, id);
    const input = cedanaInputOf(this, props);
    const { install } = input;
    const { dynamoWatcher: watcher, namespace } = install;
    if (!watcher) return;
    const component = "dynamo-watcher";
    const name = namesOf(install).dynamoWatcher;
    const selector = selectorLabels(install, component);

    this.serviceAccount = object<V1ServiceAccount>(this, "service-account", {
      apiVersion: "v1",
      kind: "ServiceAccount",
      metadata: metadata(install, { name, namespace, component }),
      automountServiceAccountToken: false,
    });
    grantWhere(
      this,
      install,
      "rights",
      watcher.namespaces,
      { name, component, rules: dynamoRules(watcher.createLoadBalancer) },
      { namespace, name },
    );

    this.deployment = object<V1Deployment>(this, "deployment", {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: metadata(install, { name, namespace, component }),
      spec: {
        replicas: watcher.replicas,
        // It elects no leader: the old one must be gone before the new one starts.
        strategy: { type: "Recreate" },
        selector: { matchLabels: selector },
        template: {
          metadata: {
            labels: { ...install.labels, ...watcher.podLabels, ...selector },
            annotations: { ...watcher.podAnnotations, ...configChecksum(input, "dynamo") },
          },
          spec: {
            serviceAccountName: name,
            automountServiceAccountToken: true,
            securityContext: { runAsNonRoot: true, seccompProfile: { type: "RuntimeDefault" } },
            ...placementOf(install, watcher),
            containers: [
              {
                name: component,
                ...image(watcher.image),
                command: ["/dynamo-watcher"],
                env: environment(input, "dynamo", {
                  CEDANA_DYNAMO_CREATE_LB: String(watcher.createLoadBalancer),
                  KUBERNETES_CLUSTER_DOMAIN: install.clusterDomain,
                  CONTROLLER_NAMESPACE: namespace,
                  ...watcher.env,
                }),
                resources: watcher.resources,
                securityContext: UNPRIVILEGED,
                volumeMounts: [{ name: "tmp", mountPath: "/tmp" }],
              },
            ],
            volumes: [{ name: "tmp", emptyDir: { sizeLimit: "64Mi" } }],
          },
        },
      },
    });
  }
}
