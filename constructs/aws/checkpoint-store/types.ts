import type { IamRolePolicy } from "@cdktf/provider-aws/lib/iam-role-policy";
import type { IamUserPolicy } from "@cdktf/provider-aws/lib/iam-user-policy";

/** Anything with the name of an IAM role: an `IamRole`, a `DataAwsIamRole`, or `{ name }`. */
export interface RoleReference {
  readonly name: string;
}

/** An S3 location for checkpoints, with methods that grant access to it. */
export interface ICheckpointStore {
  readonly bucketName: string;
  readonly bucketArn: string;
  /** Key prefix, ending with `/`, or empty. */
  readonly prefix: string;
  /** `s3://<bucket>/<prefix>` without the trailing `/`: the value for the engine's checkpoint directory. */
  readonly url: string;
  readonly kmsKeyArn?: string;
  /**
   * Lets a role list, read, write and delete checkpoints below the prefix.
   * @param id unique within the store; part of the policy's address in the Terraform state
   */
  grantReadWrite(id: string, role: RoleReference): IamRolePolicy;
  /** Lets a role list and read checkpoints below the prefix. */
  grantRead(id: string, role: RoleReference): IamRolePolicy;
  /** Same as grantReadWrite, for an IAM user: Cedana's s3 storage plugin accepts only an access key. */
  grantReadWriteToUser(id: string, user: { readonly name: string }): IamUserPolicy;
}
