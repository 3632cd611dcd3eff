import type { V1Service } from "@kubernetes/client-node";
import type { ApiObject } from "cdk8s";
import { Construct } from "constructs";
import { CHECKPOINT_POLICY, CLUSTER_CHECKPOINT_POLICY } from "../../../api";
import { namesOf, selectorLabels } from "../../../config/install";
import { POLICY_PORT_NAME } from "../../../config/programs/controller";
import { enabled, installOf, type InstallProps } from "../input";
import { metadata, object } from "../object";

/** The CheckpointPolicies and ClusterCheckpointPolicies of `install.policies`. The controller of the install evaluates them. */
export class CheckpointPolicies extends Construct {
  readonly checkpointPolicies: readonly ApiObject[];
  readonly clusterCheckpointPolicies: readonly ApiObject[];
  /** Service of the trigger `webhook`. Only with `policies.webhook`. */
  readonly webhookService?: ApiObject;

  constructor(scope: Construct, id: string, props: InstallProps = {}) {
    super(scope, id);
    const install = installOf(this, props);
    const policies = enabled(this, ["install", "policies"], install.policies);
    const component = "policies";
    this.checkpointPolicies = policies.checkpointPolicies.map(({ name, namespace, ...spec }) =>
      object(this, `policy-${namespace}.${name}`, {
        apiVersion: CHECKPOINT_POLICY.apiVersion,
        kind: CHECKPOINT_POLICY.kind,
        metadata: metadata(install, { component, name, namespace }),
        spec,
      }),
    );
    this.clusterCheckpointPolicies = policies.clusterCheckpointPolicies.map(({ name, ...spec }) =>
      object(this, `cluster-policy-${name}`, {
        apiVersion: CLUSTER_CHECKPOINT_POLICY.apiVersion,
        kind: CLUSTER_CHECKPOINT_POLICY.kind,
        metadata: metadata(install, { component, name }),
        spec,
      }),
    );
    if (!policies.webhook) return;
    this.webhookService = object<V1Service>(this, "webhook-service", {
      apiVersion: "v1",
      kind: "Service",
      metadata: metadata(install, {
        component: "controller",
        name: namesOf(install).policyWebhook,
        namespace: install.namespace,
      }),
      spec: {
        type: "ClusterIP",
        selector: selectorLabels(install, "controller"),
        ports: [{ name: "https", port: 443, targetPort: POLICY_PORT_NAME, protocol: "TCP" }],
      },
    });
  }
}
