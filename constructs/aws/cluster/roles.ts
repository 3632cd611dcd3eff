import { IamRole } from "@cdktf/provider-aws/lib/iam-role";
import { IamRolePolicy } from "@cdktf/provider-aws/lib/iam-role-policy";
import { IamRolePolicyAttachment } from "@cdktf/provider-aws/lib/iam-role-policy-attachment";
import { Construct } from "constructs";
import { clusterTrust, cniIpv6Statements, podIdentityTrust, secretsKeyStatement } from "../../../render/iam";
import { iamPrefix, partitionOf, type AccessEntry } from "../../../config/cluster";
import { accountOf, policyDocument } from "../internal";
import { EksAccessEntry } from "@cdktf/provider-aws/lib/eks-access-entry";
import { EksAccessPolicyAssociation } from "@cdktf/provider-aws/lib/eks-access-policy-association";

interface RoleProps {
  readonly clusterName: string;
  readonly region: string;
}

/** The IAM role of the control plane. */
export class ClusterRole extends Construct {
  readonly role: IamRole;
  /** Must be destroyed after the cluster: EKS needs them to clean up. */
  readonly permissions: (IamRolePolicy | IamRolePolicyAttachment)[];

  constructor(scope: Construct, id: string, props: RoleProps & { readonly keyArn: string }) {
    super(scope, id);
    this.role = new IamRole(this, "role", {
      namePrefix: iamPrefix(props.clusterName, "cluster"),
      description: `Control plane of EKS cluster ${props.clusterName}`,
      assumeRolePolicy: JSON.stringify(
        clusterTrust({ partition: partitionOf(props.region), ...props, account: accountOf(this) }),
      ),
    });
    this.permissions = [
      new IamRolePolicyAttachment(this, "cluster-policy", {
        role: this.role.name,
        policyArn: `arn:${partitionOf(props.region)}:iam::aws:policy/AmazonEKSClusterPolicy`,
      }),
      new IamRolePolicy(this, "secrets-key", {
        role: this.role.name,
        name: "secrets-key",
        policy: policyDocument(secretsKeyStatement(props.keyArn)),
      }),
    ];
  }
}

/** The ServiceAccount of the VPC CNI. */
export const CNI = { namespace: "kube-system", serviceAccount: "aws-node" } as const;

/** The IAM role of the VPC CNI's pods. With it, node roles need no permission to change network interfaces. */
export class CniRole extends Construct {
  readonly role: IamRole;
  readonly permission: IamRolePolicy | IamRolePolicyAttachment;

  constructor(scope: Construct, id: string, props: RoleProps & { readonly ipv6: boolean }) {
    super(scope, id);
    const partition = partitionOf(props.region);
    this.role = new IamRole(this, "role", {
      namePrefix: iamPrefix(props.clusterName, "vpc-cni"),
      description: `VPC CNI of EKS cluster ${props.clusterName}`,
      assumeRolePolicy: JSON.stringify(podIdentityTrust(props.clusterName, CNI, accountOf(this))),
    });
    this.permission = props.ipv6
      ? new IamRolePolicy(this, "ipv6", {
          role: this.role.name,
          name: "ipv6",
          policy: policyDocument(...cniIpv6Statements(partition)),
        })
      : new IamRolePolicyAttachment(this, "cni-policy", {
          role: this.role.name,
          policyArn: `arn:${partition}:iam::aws:policy/AmazonEKS_CNI_Policy`,
        });
  }
}

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
