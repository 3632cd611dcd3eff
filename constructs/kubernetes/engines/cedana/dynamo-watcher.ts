import type { V1Deployment, V1ServiceAccount } from "@kubernetes/client-node";
import type { ApiObject } from "cdk8s";
import { Construct } from "constructs";
import { selectorLabels } from "../../../../config/install";
import { enabled, type EngineProps } from "../../input";
import { metadata, object } from "../../object";
import { image, placementOf, UNPRIVILEGED } from "../../pod";
import { grantWhere } from "../../rbac";
import { configChecksum, environment } from "./config";
import { cedanaInputOf } from "./input";
import { dynamoRules } from "./rbac";

/**
 * The watcher that reports NVIDIA Dynamo's graphs to Cedana's platform and executes the platform's requests, only in the
 * configured namespaces.
 */
export class DynamoWatcher extends Construct {
  readonly deployment: ApiObject;
  readonly serviceAccount: ApiObject;

  constructor(scope: Construct, id: string, props: EngineProps) {
    super(scope, id);
    const input = cedanaInputOf(this, props);
    const { engine, install, names } = input;
    const { namespace } = install;
    const watcher = enabled(this, ["engine", "dynamoWatcher"], engine.dynamoWatcher);
    const component = "dynamo-watcher";
    const name = names.dynamoWatcher;
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
        // Without leader election the old pod must end before the new one starts.
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
