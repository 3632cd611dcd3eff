import { EksPodIdentityAssociation } from "@cdktf/provider-aws/lib/eks-pod-identity-association";
import { IamRole } from "@cdktf/provider-aws/lib/iam-role";
import { IamRolePolicy } from "@cdktf/provider-aws/lib/iam-role-policy";
import { Construct } from "constructs";
import { iamPrefix } from "../../../config/cluster";
import { podIdentityTrust } from "../../../render/iam";
import { serviceAccountSchema, type ServiceAccountSpec } from "../../../config/pod-identity";
import { resolve } from "../../../config/schema";
import type { ICluster } from "../cluster";
import { accountOf, policyDocument } from "../internal";

export interface PodIdentityProps extends ServiceAccountSpec {
  /** The cluster of the ServiceAccount. */
  readonly cluster: ICluster;
}

/**
 * Creates a role for the pods of one ServiceAccount of one cluster, without any key in the cluster. EKS allows one
 * association per ServiceAccount: add all permissions to this role.
 * @throws InvalidInputError
 */
export class PodIdentity extends Construct {
  readonly role: IamRole;
  readonly association: EksPodIdentityAssociation;
  readonly subject: ServiceAccountSpec;

  constructor(scope: Construct, id: string, props: PodIdentityProps) {
    super(scope, id);
    const { cluster, ...subject } = props;
    this.subject = resolve(this.node.path, serviceAccountSchema, subject);
    this.role = new IamRole(this, "role", {
      namePrefix: iamPrefix(this.subject.namespace, this.subject.serviceAccount),
      description: `Pods of ServiceAccount ${this.subject.namespace}/${this.subject.serviceAccount}`,
      assumeRolePolicy: JSON.stringify(podIdentityTrust(cluster.name, this.subject, accountOf(this))),
    });
    this.association = new EksPodIdentityAssociation(this, "association", {
      clusterName: cluster.name,
      namespace: this.subject.namespace,
      serviceAccount: this.subject.serviceAccount,
      roleArn: this.role.arn,
    });
  }

  /** Adds an inline policy to the role. */
  allow(id: string, ...statements: readonly object[]): IamRolePolicy {
    return new IamRolePolicy(this, id, {
      role: this.role.name,
      name: id,
      policy: policyDocument(...statements),
    });
  }
}
