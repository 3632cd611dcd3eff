import { createHash } from "node:crypto";
import type { V1ConfigMap, V1ServiceAccount } from "@kubernetes/client-node";
import type { ApiObject } from "cdk8s";
import { Construct } from "constructs";
import { controllerSettings, POLICY_PORT_NAME } from "../../../config/programs/controller";
import { platformOf } from "../../../config/engines";
import { checkpointsOf, namesOf, policiesOf, selectorLabels } from "../../../config/install";
import { constructsOf } from "../engines";
import { enabled, inputOf, type EngineProps } from "../input";
import { metadata, object } from "../object";
import { disruptionBudget } from "../pod";
import { grantWhere } from "../rbac";
import { controllerBounds } from "./bounds";
import { ControllerMetrics, SETTINGS_FILE, controllerDeployment } from "./deployment";
import { deletionGuard } from "./deletion-guard";
import { controllerGrants, verifies } from "./grants";
import { policyGuard } from "./policy-guard";
import { recordGuard } from "./record-guard";
import { sandboxes } from "./sandboxes";
import { verifyGuard } from "./verify-guard";

export { METRICS_PORT } from "./deployment";

/**
 * This toolkit's controller, with the permissions of its enabled functions: readiness gate, Checkpoint objects, restore. One
 * of its replicas is the leader.
 */
export class Controller extends Construct {
  readonly serviceAccount: ApiObject;
  /** `ControllerSettings` as JSON. */
  readonly settings: ApiObject;
  readonly deployment: ApiObject;
  readonly disruptionBudget: ApiObject;
  /** Roles, ClusterRoles and their bindings. */
  readonly roles: readonly ApiObject[];
  /** ValidatingAdmissionPolicies that limit what the controller may write, their bindings, and NetworkPolicies of sandbox pods. */
  readonly policies: readonly ApiObject[];
  /** Only with `controller.metrics`. */
  readonly metrics?: ControllerMetrics;

  constructor(scope: Construct, id: string, props: EngineProps) {
    super(scope, id);
    const input = inputOf(this, props);
    const { engine, install } = input;
    const { namespace } = install;
    const controller = enabled(this, ["install", "controller"], install.controller);
    const names = namesOf(install);
    const component = "controller";
    const about = metadata(install, { name: names.controller, namespace, component });

    this.serviceAccount = object<V1ServiceAccount>(this, "service-account", {
      apiVersion: "v1",
      kind: "ServiceAccount",
      metadata: about,
      automountServiceAccountToken: false,
    });
    const settings = controllerSettings(engine, install);
    const text = `${JSON.stringify(settings, undefined, 2)}\n`;
    this.settings = object<V1ConfigMap>(this, "settings", {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: metadata(install, { name: names.controllerSettings, namespace, component }),
      data: { [SETTINGS_FILE]: text },
    });
    this.roles = controllerGrants(input, constructsOf(engine).checkpointGrants(input)).flatMap(
      ({ id, name, namespaces, rules }) =>
        grantWhere(
          this,
          install,
          id,
          namespaces,
          { name, component, rules },
          { namespace, name: names.controller },
        ),
    );
    this.policies = [
      ...controllerBounds(this, input),
      ...(checkpointsOf(install) ? recordGuard(this, install) : []),
      ...(policiesOf(install) ? [...policyGuard(this, install), ...verifyGuard(this, install)] : []),
      ...(verifies(input) ? sandboxes(this, install) : []),
      ...deletionGuard(this, install),
    ];
    const hash = createHash("sha256").update(text).digest("hex");
    const { restore, policies } = settings;
    const webhookPorts = {
      ...(restore && { webhook: restore.port }),
      ...(policies && policies.webhook && { [POLICY_PORT_NAME]: policies.webhook.port }),
    };
    this.deployment = object(
      this,
      "deployment",
      controllerDeployment(install, controller, hash, webhookPorts, platformOf(engine, install)?.token),
    );
    this.disruptionBudget = disruptionBudget(this, about, {
      maxUnavailable: controller.maxUnavailable,
      matchLabels: selectorLabels(install, component),
    });
    if (controller.metrics) {
      this.metrics = new ControllerMetrics(this, "metrics", install, controller.metrics, settings);
    }
  }
}
