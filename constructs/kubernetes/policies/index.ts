import type { ApiObject } from "cdk8s";
import { Construct } from "constructs";
import { CHECKPOINT_POLICY, CLUSTER_CHECKPOINT_POLICY } from "../../../api";
import { enabled, installOf, type InstallProps } from "../input";
import { metadata, object } from "../object";

/** The CheckpointPolicies and ClusterCheckpointPolicies of `install.policies`. The controller of the install evaluates them. */
export class CheckpointPolicies extends Construct {
  readonly checkpointPolicies: readonly ApiObject[];
  readonly clusterCheckpointPolicies: readonly ApiObject[];

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
  }
}
