/**
 * The controller of this toolkit: its program, what it is told, what it may do, and what keeps it running.
 */
import { createHash } from "node:crypto";
import type { V1ConfigMap, V1PodDisruptionBudget, V1ServiceAccount } from "@kubernetes/client-node";
import type { ApiObject } from "cdk8s";
import { Construct } from "constructs";
import { controllerSettings } from "../../../config/programs/controller";
import { namesOf, selectorLabels } from "../../../config/install";
import { inputOf, type EngineProps } from "../input";
import { metadata, object } from "../object";
import { grantWhere } from "../rbac/bindings";
import { controllerDeployment, SETTINGS_FILE } from "./deployment";
import { controllerGrants } from "./grants";
import { ControllerMetrics } from "./metrics";

export { METRICS_PORT } from "./deployment";
export { controllerGrants, type ControllerGrant } from "./grants";

/**
 * Two replicas, of which one leads, and their rights: those of the parts that are on (readiness gate, Checkpoint
 * objects). Without `install.controller` nothing is made.
 */
export class Controller extends Construct {
  readonly serviceAccount?: ApiObject;
  /** What the controller is told: `ControllerSettings` as JSON. */
  readonly settings?: ApiObject;
  readonly deployment?: ApiObject;
  readonly disruptionBudget?: ApiObject;
  /** Roles, ClusterRoles and their bindings. */
  readonly roles: readonly ApiObject[];
  /** Only with `controller.metrics`. */
  readonly metrics?: ControllerMetrics;

  constructor(scope: Construct, id: string, props: EngineProps) {
    super(scope, id);
    const { engine, install } = inputOf(this, props);
    const { controller, namespace } = install;
    if (!controller) {
      this.roles = [];
      return;
    }
    const names = namesOf(install);
    const component = "controller";
    const about = metadata(install, { name: names.controller, namespace, component });

    this.serviceAccount = object<V1ServiceAccount>(this, "service-account", {
      apiVersion: "v1",
      kind: "ServiceAccount",
      metadata: about,
      automountServiceAccountToken: false,
    });
    const told = controllerSettings(engine, install);
    const settings = `${JSON.stringify(told, undefined, 2)}\n`;
    this.settings = object<V1ConfigMap>(this, "settings", {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: metadata(install, { name: names.controllerSettings, namespace, component }),
      data: { [SETTINGS_FILE]: settings },
    });
    this.roles = controllerGrants(install, engine.kind).flatMap(({ id, name, namespaces, rules }) =>
      grantWhere(
        this,
        install,
        id,
        namespaces,
        { name, component, rules },
        { namespace, name: names.controller },
      ),
    );
    const hash = createHash("sha256").update(settings).digest("hex");
    const webhookPort = told.restore ? told.restore.port : undefined;
    this.deployment = object(
      this,
      "deployment",
      controllerDeployment(install, controller, hash, webhookPort),
    );
    this.disruptionBudget = object<V1PodDisruptionBudget>(this, "disruption-budget", {
      apiVersion: "policy/v1",
      kind: "PodDisruptionBudget",
      metadata: about,
      spec: {
        maxUnavailable: controller.maxUnavailable,
        selector: { matchLabels: selectorLabels(install, component) },
      },
    });
    if (controller.metrics) {
      this.metrics = new ControllerMetrics(this, "metrics", install, controller.metrics);
    }
  }
}
