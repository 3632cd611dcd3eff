/**
 * What runs on each node: the helper, which installs and starts Cedana's daemon, and the check of its health.
 */
import type { V1Service, V1ServiceAccount } from "@kubernetes/client-node";
import type { ApiObject } from "cdk8s";
import { Construct } from "constructs";
import { daemonPort } from "../../core/engine";
import { agentNamespace, namesOf, selectorLabels } from "../../core/install";
import { inputOf, type EngineProps } from "../input";
import { metadata, object } from "../object";
import { healthCheckDaemonSet } from "./health-check";
import { helperDaemonSet } from "./helper";

export class Agent extends Construct {
  readonly serviceAccount: ApiObject;
  readonly helper: ApiObject;
  readonly healthCheck: ApiObject;
  /** Only with `helper.service`. */
  readonly service?: ApiObject;

  constructor(scope: Construct, id: string, props: EngineProps) {
    super(scope, id);
    const input = inputOf(this, props);
    const { engine, install } = input;
    const names = namesOf(install);
    const namespace = agentNamespace(install);

    this.serviceAccount = object<V1ServiceAccount>(this, "service-account", {
      apiVersion: "v1",
      kind: "ServiceAccount",
      metadata: metadata(install, { name: names.agentAccount, namespace }),
      automountServiceAccountToken: false,
    });
    this.helper = object(this, "helper", helperDaemonSet(input));
    this.healthCheck = object(this, "health-check", healthCheckDaemonSet(input));
    const { service } = install.helper;
    if (service) {
      this.service = object<V1Service>(this, "service", {
        apiVersion: "v1",
        kind: "Service",
        metadata: metadata(install, {
          name: names.helperService,
          namespace,
          component: "helper",
          annotations: service.annotations,
        }),
        spec: {
          type: "ClusterIP",
          internalTrafficPolicy: "Local",
          ports: [{ name: "grpc", port: daemonPort(engine) ?? 0, protocol: "TCP", targetPort: "grpc" }],
          selector: selectorLabels(install, "helper"),
        },
      });
    }
  }
}
