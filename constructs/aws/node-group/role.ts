import { IamRole } from "@cdktf/provider-aws/lib/iam-role";
import { IamRolePolicyAttachment } from "@cdktf/provider-aws/lib/iam-role-policy-attachment";
import { Construct } from "constructs";
import { partitionOf } from "../../../config/cluster";
import { isToken } from "../../../config/schema";
import { serviceTrust } from "../internal";

/** The least a node needs: join the cluster and pull images. Pods get other permissions by Pod Identity. */
const LEAST = ["AmazonEKSWorkerNodePolicy", "AmazonEC2ContainerRegistryPullOnly"];

export interface NodeRoleProps {
  /** Name of the role, or its prefix. */
  readonly name:
    | {
        /** Name of the role. */
        readonly name: string;
      }
    | {
        /** Prefix of the name, which AWS completes. */
        readonly namePrefix: string;
      };
  /** AWS region of the provider. */
  readonly region: string;
  /** Whether Session Manager can reach the nodes. Adds AmazonSSMManagedInstanceCore. */
  readonly ssm: boolean;
  /**
   * Further policies of the role, in addition to those that a node needs.
   *
   * @default []
   */
  readonly policyArns?: readonly string[];
}

/** The IAM role of nodes. */
export class NodeRole extends Construct {
  readonly role: IamRole;
  /** Must be destroyed after the nodes. */
  readonly permissions: readonly IamRolePolicyAttachment[];

  constructor(scope: Construct, id: string, { name, region, ssm, policyArns = [] }: NodeRoleProps) {
    super(scope, id);
    this.role = new IamRole(this, "role", { ...name, assumeRolePolicy: serviceTrust("ec2.amazonaws.com") });
    const managed = [...LEAST, ...(ssm ? ["AmazonSSMManagedInstanceCore"] : [])].map((policy) => ({
      id: policy,
      arn: `arn:${partitionOf(region)}:iam::aws:policy/${policy}`,
    }));
    // The id contains the policy: with an index, removing one policy would also detach the ones after it.
    const given = policyArns
      .filter((arn) => !managed.some((one) => one.arn === arn))
      .map((arn, index) => ({ id: isToken(arn) ? `policy-${index}` : arn, arn }));
    this.permissions = [...managed, ...given].map(
      ({ id, arn }) => new IamRolePolicyAttachment(this, id, { role: this.role.name, policyArn: arn }),
    );
  }
}
