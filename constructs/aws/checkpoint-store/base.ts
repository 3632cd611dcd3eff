import { IamRolePolicy } from "@cdktf/provider-aws/lib/iam-role-policy";
import { IamUserPolicy } from "@cdktf/provider-aws/lib/iam-user-policy";
import { Construct } from "constructs";
import { readStatements, readWriteStatements, type StorePlace } from "../../../render/iam";
import { policyDocument } from "../internal/policy";
import type { ICheckpointStore, RoleReference } from "./types";

/** Implements the grants of every store, new or existing. */
export abstract class StoreBase extends Construct implements ICheckpointStore {
  abstract readonly bucketName: string;
  abstract readonly bucketArn: string;
  abstract readonly prefix: string;
  abstract readonly kmsKeyArn?: string;
  protected abstract readonly region: string;

  get url(): string {
    return `s3://${this.bucketName}/${this.prefix}`.replace(/\/+$/, "");
  }

  grantReadWrite(id: string, role: RoleReference): IamRolePolicy {
    return this.grant(`read-write-${id}`, role, readWriteStatements(this.place));
  }

  grantRead(id: string, role: RoleReference): IamRolePolicy {
    return this.grant(`read-only-${id}`, role, readStatements(this.place));
  }

  grantReadWriteToUser(id: string, user: { readonly name: string }): IamUserPolicy {
    return new IamUserPolicy(this, `user-${id}`, {
      user: user.name,
      namePrefix: "checkpoint-store-",
      policy: policyDocument(...readWriteStatements(this.place)),
    });
  }

  private grant(id: string, role: RoleReference, statements: object[]): IamRolePolicy {
    return new IamRolePolicy(this, id, {
      role: role.name,
      namePrefix: "checkpoint-store-",
      policy: policyDocument(...statements),
    });
  }

  private get place(): StorePlace {
    return {
      bucketArn: this.bucketArn,
      prefix: this.prefix,
      region: this.region,
      ...(this.kmsKeyArn === undefined ? {} : { kmsKeyArn: this.kmsKeyArn }),
    };
  }
}
