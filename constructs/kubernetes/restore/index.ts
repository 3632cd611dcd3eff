import type { V1ClusterRole } from "@kubernetes/client-node";
import type { ApiObject } from "cdk8s";
import { Construct } from "constructs";
import { AUTOMATION_GROUP, RESTORE_VERB } from "../../../api";
import { restoreOf } from "../../../config/engines";
import { namesOf } from "../../../config/install";
import { enabled, inputOf, type EngineProps } from "../input";
import { metadata, object } from "../object";
import { restoreGuards } from "./guard";
import { certManagerObjects, webhookConfiguration, webhookService } from "./webhook";

/**
 * Restore of pods: the admission webhook that the controller serves, and the policies that check who may request one. Only
 * for an engine that restores by the webhook, with a controller and without `install.restore: false`.
 */
export class Restore extends Construct {
  readonly service: ApiObject;
  readonly webhook: ApiObject;
  /** Only with `restore.certificates: cert-manager`: an Issuer and a Certificate. */
  readonly certificates: readonly ApiObject[];
  /** ValidatingAdmissionPolicies and their bindings. */
  readonly guards: readonly ApiObject[];
  /** ClusterRole that permits restores. It is not bound to any user. */
  readonly role: ApiObject;

  constructor(scope: Construct, id: string, props: EngineProps) {
    super(scope, id);
    const { engine, install } = inputOf(this, props);
    const settings = enabled(this, ["install", "restore"], restoreOf(engine, install));
    this.service = webhookService(this, install);
    this.webhook = webhookConfiguration(this, install, settings);
    this.certificates = settings.certificates === "cert-manager" ? certManagerObjects(this, install) : [];
    this.guards = restoreGuards(this, install);
    const aggregate = { "rbac.authorization.k8s.io/aggregate-to-edit": "true" };
    this.role = object<V1ClusterRole>(this, "role", {
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "ClusterRole",
      metadata: metadata(install, {
        name: namesOf(install).restore,
        ...(settings.grantToEditors ? { labels: aggregate } : {}),
      }),
      rules: [
        {
          apiGroups: [AUTOMATION_GROUP],
          resources: ["checkpoints"],
          verbs: ["get", "list", "watch", RESTORE_VERB],
        },
      ],
    });
  }
}
