/**
 * The controller: two replicas of which one leads, its REST Service, and what keeps them running.
 */
import type { V1PodDisruptionBudget, V1Service, V1ServiceAccount } from "@kubernetes/client-node";
import type { ApiObject } from "cdk8s";
import { Construct } from "constructs";
import { namesOf, selectorLabels } from "../../../config/install";
import { cedanaInputOf, type EngineProps } from "../input";
import { metadata, object } from "../object";
import { managerDeployment } from "./deployment";
import { ManagerMetrics } from "./metrics";

/** Port of the manager's REST API. It has neither TLS nor authentication: let nobody but its callers reach it. */
export const REST_PORT = 1324;

export class Manager extends Construct {
  readonly deployment: ApiObject;
  readonly service: ApiObject;
  readonly disruptionBudget: ApiObject;
  /** Undefined if the ServiceAccount exists already. */
  readonly serviceAccount?: ApiObject;
  /** Only with `manager.metrics`. */
  readonly metrics?: ManagerMetrics;

  constructor(scope: Construct, id: string, props: EngineProps) {
    super(scope, id);
    const input = cedanaInputOf(this, props);
    const { install } = input;
    const { manager, namespace } = install;
    const names = namesOf(install);
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
    if (manager.metrics) this.metrics = new ManagerMetrics(this, "metrics", install, manager.metrics);
  }
}
