/**
 * What runs on each node: the helper, which lays there what takes checkpoints, and the check of its health.
 */
import type { V1Service, V1ServiceAccount } from "@kubernetes/client-node";
import type { ApiObject } from "cdk8s";
import { Construct } from "constructs";
import { daemonPort } from "../../../config/engines";
import { agentNamespace, namesOf, selectorLabels } from "../../../config/install";
import { inputOf, kubeletInputOf, withCedana, withKubelet, type EngineProps } from "../input";
import { metadata, object } from "../object";
import { healthCheckDaemonSet } from "./health-check";
import { helperDaemonSet } from "./helper";
import * as kubelet from "./kubelet";

export { HEALTH_CONDITION } from "../../../config/programs/agent";

export class Agent extends Construct {
  readonly serviceAccount: ApiObject;
  readonly helper: ApiObject;
  readonly healthCheck: ApiObject;
  /** Only with `helper.service`. */
  readonly service?: ApiObject;
  /** Only with the engine `kubelet`: settings, rights and guards of its two programs. */
  readonly kubelet?: kubelet.KubeletAgentObjects;

  constructor(scope: Construct, id: string, props: EngineProps) {
    super(scope, id);
    const input = inputOf(this, props);
    const { engine, install } = input;
    const names = namesOf(install);
    const namespace = agentNamespace(install);
    const open = withKubelet(input);
    const cedana = withCedana(input);

    this.serviceAccount = object<V1ServiceAccount>(this, "service-account", {
      apiVersion: "v1",
      kind: "ServiceAccount",
      metadata: metadata(install, { name: names.agentAccount, namespace }),
      automountServiceAccountToken: false,
    });
    if (open) this.kubelet = kubelet.kubeletAgentObjects(this, open);
    this.helper = object(this, "helper", open ? kubelet.helperDaemonSet(open) : helperDaemonSet(cedana!));
    this.healthCheck = object(
      this,
      "health-check",
      open ? kubelet.healthCheckDaemonSet(open) : healthCheckDaemonSet(cedana!),
    );
    const { service } = install.helper;
    if (service && engine.kind === "cedana") {
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

/**
 * What takes away from the nodes what the helper of the engine `kubelet` has laid there, after the helper itself is gone. Apply
 * it by itself, wait until its pods run, and delete it.
 */
export class AgentRemoval extends Construct {
  readonly daemonSet: ApiObject;

  constructor(scope: Construct, id: string, props: EngineProps) {
    super(scope, id);
    this.daemonSet = object(this, "daemon-set", kubelet.removalDaemonSet(kubeletInputOf(this, props)));
  }
}
