import type { IamRolePolicy } from "@cdktf/provider-aws/lib/iam-role-policy";
import type { IamUserPolicy } from "@cdktf/provider-aws/lib/iam-user-policy";

/** Anything with the name of an IAM role: an `IamRole`, a `DataAwsIamRole`, or `{ name }`. */
export interface RoleReference {
  readonly name: string;
}

/** A place for checkpoints in S3, and the right to use it. */
export interface ICheckpointStore {
  readonly bucketName: string;
  readonly bucketArn: string;
  /** Key prefix, ending with `/`, or empty. */
  readonly prefix: string;
  /** `s3://<bucket>/<prefix>` without the last `/`: what the engine's checkpoint directory is set to. */
  readonly url: string;
  readonly kmsKeyArn?: string;
  /**
   * Lets a role list, read, write and delete checkpoints below the prefix.
   * @param id unique within the store; part of the policy's address in the Terraform state
   */
  grantReadWrite(id: string, role: RoleReference): IamRolePolicy;
  /** Lets a role list and read checkpoints below the prefix. */
  grantRead(id: string, role: RoleReference): IamRolePolicy;
  /** As grantReadWrite, for an IAM user: Cedana's s3 storage plugin takes nothing but an access key. */
  grantReadWriteToUser(id: string, user: { readonly name: string }): IamUserPolicy;
}
