import { EksAccessEntry } from "@cdktf/provider-aws/lib/eks-access-entry";
import { EksAccessPolicyAssociation } from "@cdktf/provider-aws/lib/eks-access-policy-association";
import { Construct } from "constructs";
import { partitionOf, type AccessEntry } from "../../../config/cluster";

/** Gives one IAM principal access to the Kubernetes API. */
export class ClusterAccess extends Construct {
  readonly entry: EksAccessEntry;
  readonly associations: EksAccessPolicyAssociation[];

  constructor(scope: Construct, clusterName: string, region: string, spec: AccessEntry) {
    super(scope, spec.name);
    this.entry = new EksAccessEntry(this, "entry", {
      clusterName,
      principalArn: spec.principalArn,
      type: "STANDARD",
      ...(spec.kubernetesGroups.length > 0 ? { kubernetesGroups: spec.kubernetesGroups } : {}),
    });
    this.associations = spec.policies.map(({ policy, namespaces }) => {
      const name = policy.slice(policy.lastIndexOf("/") + 1);
      return new EksAccessPolicyAssociation(this, name, {
        clusterName,
        principalArn: spec.principalArn,
        policyArn: policy.startsWith("arn:")
          ? policy
          : `arn:${partitionOf(region)}:eks::aws:cluster-access-policy/${policy}`,
        accessScope: namespaces ? { type: "namespace", namespaces } : { type: "cluster" },
        dependsOn: [this.entry],
      });
    });
  }
}
